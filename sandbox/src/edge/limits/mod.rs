//! AWS's limits, enforced on requests as they pass: totals, counts, sizes and states, which the API models do not say.
//!
//! Given a request that is validated, it gives the refusal in the service's own words, or nothing. The limits are data, one list by service
//! ([`all`]); docs/limits.md shows the same list, and a test here keeps the two in agreement. What the list says of other parts of the edge
//! (`Measure::At`, `Measure::Model`) is enforced there. It never changes a request, and keeps nothing but which roles are new.

mod asked;
pub mod codebuild;
mod fresh;
mod grammar;
mod iam;
mod kept;
mod limit;
mod messages;
pub mod settling;
mod sqs;
mod stores;
mod tags;

pub use limit::Limit;

use super::Config;
use super::call::{Call, Protocol};
use super::http::{Reply, Request};
use super::principal::Principals;
use super::upstream::Upstream;
use asked::Asked;
use fresh::Fresh;
use hyper::header::{HeaderName, HeaderValue};
use limit::Measure;
use std::sync::Arc;

/// All limits, in the order of docs/limits.md.
pub fn all() -> impl Iterator<Item = &'static Limit> {
    [codebuild::LIMITS, iam::LIMITS, sqs::LIMITS, messages::LIMITS, stores::LIMITS, tags::LIMITS].into_iter().flatten()
}

/// The rows of the table in docs/limits.md.
pub fn rows() -> Vec<String> {
    all().map(Limit::row).collect()
}

/// The limits of one edge.
#[derive(Debug)]
pub struct Limits {
    upstream: Upstream,
    principals: Arc<Principals>,
    fresh: Fresh,
    concurrent_builds: u64,
}

impl Limits {
    /// Nothing was made yet.
    pub fn new(config: &Config, upstream: Upstream, principals: Arc<Principals>) -> Self {
        Self {
            upstream,
            principals,
            fresh: Fresh::new(config.times.settling),
            concurrent_builds: config.concurrent_builds,
        }
    }

    /// The refusal of a request that is past a limit.
    pub async fn refusal(&self, call: &Call, request: &Request) -> Option<Reply> {
        let limits: Vec<&Limit> = all().filter(|limit| limit.holds_for(&call.service, &call.operation)).collect();
        if limits.is_empty() {
            return None;
        }
        let asked = Asked::of(call, request);
        if let Some((code, message)) = iam::malformed(&asked) {
            return Some(refused(call, code, &message));
        }
        for limit in limits {
            let exceeded = match limit.measure {
                Measure::Asked(measure) => limit.exceeded(&measure(&asked)),
                Measure::Breaks(breaks) => breaks(&asked).then_some(0),
                Measure::Kept(kept) => {
                    kept::measured(kept, &self.upstream, &asked).await.and_then(|measured| limit.exceeded(&[measured]))
                }
                Measure::At(_) | Measure::Model => None,
            };
            if let Some(measured) = exceeded {
                return Some(refused(call, limit.code(&call.service), &limit.message(&asked, measured)));
            }
        }
        let caller = self.principals.identity(&call.credential);
        let caller = caller["arn"].as_str().unwrap_or_default();
        codebuild::over_account(&asked, self.concurrent_builds).or_else(|| self.fresh.refusal(&asked, caller))
    }

    /// What must be known of a successful call: new roles and instance profiles.
    pub fn learn(&self, call: &Call, request: &Request) {
        if call.service == "iam" {
            self.fresh.learn(call, &Asked::of(call, request));
        }
    }
}

fn refused(call: &Call, code: &str, message: &str) -> Reply {
    // API reference of IAM, "Common errors" of each action: 409 for LimitExceeded.
    let status = if code == "LimitExceeded" { 409 } else { 400 };
    if call.protocol == Protocol::Json || call.protocol == Protocol::RestJson {
        let mut reply = call.refusal(status, code, message);
        // SQS speaks JSON with the codes of its Query protocol beside it ("AWS JSON protocol", "awsQueryCompatible").
        if let (true, Ok(value)) = (call.service == "sqs", HeaderValue::from_str(&format!("{code};Sender"))) {
            reply.headers.insert(HeaderName::from_static("x-amzn-query-error"), value);
        }
        return reply;
    }
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    call.refusal(status, code, &message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The rows of the table of limits, without its head.
    fn documented() -> Vec<String> {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
        let docs = std::fs::read_to_string(docs).expect("docs/limits.md is read");
        let table = docs.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        table.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
    }

    #[test]
    fn each_limit_is_a_row_of_the_docs_with_the_same_figure() {
        let documented = documented();
        let missing: Vec<String> = rows().into_iter().filter(|row| !documented.contains(row)).collect();
        assert!(missing.is_empty(), "docs/limits.md has not:\n{}", missing.join("\n"));
    }

    #[test]
    fn a_row_of_the_docs_without_a_limit_here_does_not_claim_the_edge() {
        let rows = rows();
        for row in documented().iter().filter(|row| !rows.contains(row)) {
            let place = row.split('|').nth(4).unwrap_or_default().trim();
            assert!(!place.is_empty() && !place.contains("edge"), "{row}");
        }
    }

    #[test]
    fn each_limit_has_a_name_of_its_own_and_a_source() {
        let names: BTreeSet<&str> = all().map(|limit| limit.name).collect();
        assert_eq!(names.len(), all().count());
        assert!(all().all(|limit| !limit.source.is_empty() && !limit.near.is_empty()));
    }
}
