//! What an apiserver was asked for, by its own count.

use std::collections::BTreeMap;

use anyhow::Result;
use sandbox::ControlPlane;

/// Calls that were answered, but lists and watches, by verb and resource: `PATCH incidents/status`.
#[derive(Clone, Debug, Default)]
pub struct Answered(BTreeMap<String, f64>);

impl Answered {
    /// All so far.
    ///
    /// # Errors
    /// When the apiserver does not answer.
    pub fn by(plane: &ControlPlane) -> Result<Self> {
        let mut calls = BTreeMap::new();
        for line in plane.kubectl(&["get", "--raw", "/metrics"])?.lines() {
            let Some((labels, count)) = line.strip_prefix("apiserver_request_total{").and_then(|l| l.rsplit_once("} "))
            else {
                continue;
            };
            let label = |name: &str| {
                let found = labels.split(',').find_map(|l| l.strip_prefix(name)?.strip_prefix("=\""));
                found.map_or("", |value| value.trim_end_matches('"'))
            };
            let (verb, resource, part) = (label("verb"), label("resource"), label("subresource"));
            if !matches!(verb, "LIST" | "WATCH") && !resource.is_empty() {
                let slash = if part.is_empty() { "" } else { "/" };
                *calls.entry(format!("{verb} {resource}{slash}{part}")).or_default() += count.parse().unwrap_or(0.0);
            }
        }
        Ok(Self(calls))
    }

    /// Those since then.
    pub fn since(&self, before: &Self) -> Self {
        let differ = |(call, count): (&String, &f64)| {
            let more = count - before.0.get(call).unwrap_or(&0.0);
            (more > 0.0).then(|| (call.clone(), more))
        };
        Self(self.0.iter().filter_map(differ).collect())
    }

    /// How many there are whose name is as wanted.
    pub fn count(&self, wanted: impl Fn(&str) -> bool) -> f64 {
        self.0.iter().filter(|(call, _)| wanted(call)).map(|(_, count)| count).sum()
    }

    /// Each with how often it was made.
    pub fn each(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(call, count)| (call.as_str(), *count))
    }
}

/// Whether a call writes an Incident that is there.
pub fn writes_incident(call: &str) -> bool {
    call.contains(" incidents") && (call.starts_with("PATCH") || call.starts_with("APPLY") || call.starts_with("PUT"))
}
