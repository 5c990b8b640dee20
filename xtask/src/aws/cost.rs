//! What a run costs, by AWS's public prices. Pure.
//!
//! Prices of us-east-1 in US dollars, as known on 2026-11-26, in part from memory and not from the page: AWS CodeBuild Pricing (general1.small, Linux), Amazon EC2
//! On-Demand Pricing (t3.nano), Amazon EBS Pricing (gp3), AWS KMS Pricing (a key, prorated by the hour, nothing once its
//! deletion is scheduled), AWS CloudTrail Pricing (a further copy of management events). Other regions cost up to twice
//! that. Free tiers are not counted; requests to SQS, SNS, EventBridge, S3, DynamoDB, Lambda and SSM are below a cent.

use super::session::{PLAY, TEARDOWN};

/// A build's minute, begun minutes counted.
const BUILD_MINUTE: f64 = 0.005;
/// The web server's hour: the instance, and 8 GiB of its volume at 0.08 a GiB and month.
const SERVER_HOUR: f64 = 0.0052 + 8.0 * 0.08 / HOURS_OF_MONTH;
/// The key's hour.
const KEY_HOUR: f64 = 1.0 / HOURS_OF_MONTH;
/// A management event, where the account has a trail already: then the run's is the second copy, which is charged for, of
/// whatever else happens in the region meanwhile, too.
const EVENT: f64 = 2.0 / 100_000.0;
const HOURS_OF_MONTH: f64 = 730.0;

/// Builds of a run: five for the first inventories, and a plan and an apply for each of the five, one by one and all at
/// once.
const BUILDS: u32 = 5 + 2 * 5 * 2;
/// Minutes that a build is charged for: `terraform init` downloads the provider in each.
const MINUTES_OF_BUILD: u32 = 3;
/// Management events of a run, reads included, amply; events of others in the account come on top.
const EVENTS: u32 = 10_000;

/// What stands there costs by the hour, whether or not anything is built.
pub fn an_hour() -> f64 {
    SERVER_HOUR + KEY_HOUR
}

/// What a whole run costs.
pub fn in_all() -> f64 {
    an_hour() * (PLAY + TEARDOWN).as_secs_f64() / 3600.0
        + f64::from(BUILDS * MINUTES_OF_BUILD) * BUILD_MINUTE
        + f64::from(EVENTS) * EVENT
}

/// The estimate in words.
pub fn told() -> String {
    format!(
        "about ${:.3} an hour while it stands (a t3.nano, a KMS key), and about ${:.2} in all: {BUILDS} builds of about \
         {MINUTES_OF_BUILD} min at ${BUILD_MINUTE}, and up to {EVENTS} management events where the account has a trail already",
        an_hour(),
        in_all()
    )
}

#[cfg(test)]
mod tests {
    use super::{an_hour, in_all};

    #[test]
    fn a_run_costs_less_than_a_dollar_and_an_hour_less_than_two_cents() {
        assert!(in_all() < 1.0, "{}", in_all());
        assert!(an_hour() < 0.02, "{}", an_hour());
    }
}
