//! Which API calls are asked for.

use std::collections::{HashMap, HashSet};

/// The calls that are asked for, by event source and event name. From pairs:
///
/// ```
/// let wanted = reforge_scan::Wanted::from_iter([("dynamodb.amazonaws.com", "DeleteTable")]);
/// assert!(wanted.has("dynamodb.amazonaws.com", "DeleteTable"));
/// assert!(!wanted.has("glue.amazonaws.com", "DeleteTable"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Wanted(HashMap<String, HashSet<String>>);

impl Wanted {
    /// Whether a call is asked for; `name` with or without an API version.
    pub fn has(&self, source: &str, name: &str) -> bool {
        self.0.get(source).is_some_and(|names| names.contains(without_version(name)))
    }
}

impl<S: Into<String>, N: Into<String>> FromIterator<(S, N)> for Wanted {
    fn from_iter<I: IntoIterator<Item = (S, N)>>(pairs: I) -> Self {
        let mut wanted = Self::default();
        for (source, name) in pairs {
            wanted.0.entry(source.into()).or_default().insert(name.into());
        }
        wanted
    }
}

/// Lambda's names carry an API version: `DeleteFunction20150331`, `UpdateFunctionConfiguration20150331v2`.
pub fn without_version(name: &str) -> &str {
    let base = match name.rsplit_once('v') {
        Some((base, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => name,
    };
    match base.len().checked_sub(8).map(|at| base.split_at_checked(at)) {
        Some(Some((stem, date))) if !stem.is_empty() && date.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_version_makes_no_other_event() {
        let wanted = Wanted::from_iter([("lambda.amazonaws.com", "DeleteFunction")]);
        for name in ["DeleteFunction", "DeleteFunction20150331", "DeleteFunction20150331v2"] {
            assert!(wanted.has("lambda.amazonaws.com", name), "{name}");
        }
        for name in ["DeleteFunctionv2", "DeleteFunction2015", "20150331", "", "v1", "é2015033"] {
            assert!(!wanted.has("lambda.amazonaws.com", name), "{name}");
        }
    }
}
