//! Request parameters as an Incident keeps them: JSON text without secrets, at most 8 KiB. What is not whole says so.

use serde_json::{Map, Value, json};

use crate::words::text::shorten;

/// The most bytes that are kept.
pub const MAX_BYTES: usize = 8192;

/// The most elements of a list that are kept.
const MAX_ITEMS: usize = 100;
/// The field that says that not everything is there.
const TRUNCATED: &str = "truncated";
const HIDDEN: &str = "(redacted)";
/// Parameters whose name contains one of these hold secrets, or what may be one.
const SECRET: [&str; 9] =
    ["password", "secret", "token", "credential", "privatekey", "value", "environment", "userdata", "authorization"];

/// Redacts and bounds. None for a call without parameters.
pub fn parameters(parameters: &Value) -> Option<String> {
    if parameters.is_null() {
        return None;
    }
    for longest in [1024, 256, 64] {
        let mut cut = false;
        let mut kept = redacted(parameters, longest, &mut cut);
        if let Some(fields) = kept.as_object_mut().filter(|_| cut) {
            fields.insert(TRUNCATED.to_owned(), Value::from(true));
        }
        let text = kept.to_string();
        if text.len() <= MAX_BYTES {
            return Some(text);
        }
    }
    let names: Vec<String> =
        parameters.as_object().into_iter().flatten().map(|(k, _)| shorten(k, 64)).take(64).collect();
    Some(json!({TRUNCATED: true, "parameters": names}).to_string())
}

/// Whether these are all that the call had. Whoever makes the call can only make it seem that they are not.
pub fn is_whole(parameters: &str) -> bool {
    serde_json::from_str::<Value>(parameters).is_ok_and(|kept| kept.get(TRUNCATED).is_none())
}

fn redacted(value: &Value, longest: usize, cut: &mut bool) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| {
                    let plain = name.to_lowercase().replace(['-', '_'], "");
                    let hide = SECRET.iter().any(|secret| plain.contains(secret));
                    let shown = if hide { Value::from(HIDDEN) } else { redacted(value, longest, cut) };
                    (shorten(name, 128), shown)
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => {
            *cut |= items.len() > MAX_ITEMS;
            items.iter().take(MAX_ITEMS).map(|item| redacted(item, longest, cut)).collect()
        }
        Value::String(text) => {
            *cut |= shorten(text, usize::MAX).chars().count() > longest;
            Value::from(shorten(text, longest))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_at_any_depth() {
        let text = parameters(&json!({"name": "/a", "value": "hunter2", "environment": {"variables": {"K": "s3"}},
            "deep": [{"masterUserPassword": "pw"}]}))
        .unwrap();
        assert!(text.contains("/a"));
        for secret in ["hunter2", "s3", "pw\""] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_json_and_bounded_whatever_comes() {
        let huge = json!({"a": "x".repeat(100_000), "b": vec!["y".repeat(2000); 500], "c": {"d": "z".repeat(9000)}});
        let text = parameters(&huge).unwrap();
        assert!(text.len() <= MAX_BYTES);
        assert!(serde_json::from_str::<Value>(&text).is_ok());
        assert!(!is_whole(&text));
        assert_eq!(parameters(&Value::Null), None);
    }

    #[test]
    fn what_is_not_whole_says_so() {
        assert!(is_whole(&parameters(&json!({"list": vec!["x"; 100], "secret": "y"})).unwrap()));
        assert!(is_whole(&parameters(&json!({"text": "x".repeat(1024)})).unwrap()));
        for cut in [json!({"list": vec!["x"; 101]}), json!({"deep": [{"text": "x".repeat(1025)}]})] {
            assert!(!is_whole(&parameters(&cut).unwrap()), "{cut}");
        }
    }
}
