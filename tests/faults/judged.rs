//! What must hold of each fault.

use crate::dependency::{Dependency, Kind, MOST};
use crate::world::ALL;

/// Names of Rust's types, and of ids that are another the next time.
const NOT_FOR_PEOPLE: [&str; 8] =
    ["Error {", "Error(", "Some(", "SdkError", "ServiceError", "DispatchFailure", "equest ID", "equestId"];

fn holds(of: Dependency) {
    let wrong: Vec<String> = Kind::ALL.into_iter().filter_map(|kind| judge(of, kind).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn judge(of: Dependency, kind: Kind) -> Result<(), String> {
    let what = format!("{} {}", of.title(), kind.title());
    let seen = ALL.seen[&(of, kind)].as_ref().map_err(|error| format!("{what}: {error}"))?;
    let must = |holds: bool, why: &str| if holds { Ok(()) } else { Err(format!("{what}: {why}: {seen:#?}")) };
    must(seen.calls <= of.most_calls(), "it is asked no more than so often a minute")?;
    must(seen.writes <= MOST, "the Incident is written no more than twice a minute")?;
    must(!NOT_FOR_PEOPLE.iter().any(|word| seen.said.contains(word)), "what people read is no dump")?;
    must(!seen.said.trim_end().ends_with(':'), "it says what AWS said")?;
    if kind == Kind::Denied {
        let says = |word: &str| seen.said.contains(word);
        must(says(of.action()) && says(of.who()), "it says which right is missing, and who lacks it")?;
    }
    let (begin, end) = seen.span;
    let beside = ALL.beside.iter().any(|(opened, ended)| *opened > begin && *ended < end);
    must(beside, "another Incident came and went meanwhile")
}

#[test]
fn without_the_apiserver_an_incident_is_left_alone_and_goes_on_by_itself() {
    holds(Dependency::Apiserver);
}

#[test]
fn without_sqs_events_wait_and_nothing_is_lost() {
    holds(Dependency::Sqs);
}

#[test]
fn without_cloudtrail_the_sweep_begins_again_where_it_began() {
    holds(Dependency::CloudTrail);
}

#[test]
fn without_s3_an_incident_waits_without_hurry_and_goes_on_by_itself() {
    holds(Dependency::S3);
}

#[test]
fn without_codebuild_an_incident_waits_without_hurry_and_goes_on_by_itself() {
    holds(Dependency::CodeBuild);
}

#[test]
fn without_ec2_an_incident_waits_without_hurry_and_goes_on_by_itself() {
    holds(Dependency::Ec2);
}

#[test]
fn without_dynamodb_an_incident_waits_without_hurry_and_goes_on_by_itself() {
    holds(Dependency::DynamoDb);
}

#[test]
fn without_lambda_an_incident_waits_without_hurry_and_goes_on_by_itself() {
    holds(Dependency::Lambda);
}

#[test]
fn without_ssm_an_incident_waits_without_hurry_and_goes_on_by_itself() {
    holds(Dependency::Ssm);
}

#[test]
fn without_cloud_control_an_incident_waits_without_hurry_and_goes_on_by_itself() {
    holds(Dependency::CloudControl);
}

#[test]
fn without_bedrock_the_rules_verdict_stands_and_nothing_waits() {
    holds(Dependency::Bedrock);
}

#[test]
fn without_sns_an_incident_goes_on_untold() {
    holds(Dependency::Sns);
}
