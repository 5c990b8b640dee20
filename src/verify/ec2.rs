//! An instance: terminated or stopped, or another one running in its place.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Instance, InstanceStateName};
use reforge_core::words::fault::Fault;

use super::{Found, Question, ask};

pub(super) async fn settling(client: &Client, id: &str) -> Result<Option<String>, Fault> {
    let state = state_of(describe(client, id).await?.as_ref());
    let moving = matches!(state, Some(InstanceStateName::ShuttingDown | InstanceStateName::Stopping));
    Ok(state.filter(|_| moving).map(|s| format!("instance {id} is {}", s.as_str())))
}

pub(super) async fn find(client: &Client, question: &Question<'_>) -> Result<Found, Fault> {
    let name = "instance is running";
    let Some(id) = question.id_of("aws_instance") else {
        return Ok(Found::new(name, false, "Terraform knows no instance at the address"));
    };
    let state = state_of(describe(client, id).await?.as_ref());
    let said = state.as_ref().map_or("gone", InstanceStateName::as_str);
    let passed = state == Some(InstanceStateName::Running);
    let mut found = Found::new(name, passed, format!("{id} is {said}, it was {}", question.old_id));
    found.id = Some(id.to_owned());
    found.arn = question.now.iter().find(|r| r.terraform_type == "aws_instance").and_then(|r| r.arn.clone());
    Ok(found)
}

fn state_of(instance: Option<&Instance>) -> Option<InstanceStateName> {
    instance?.state()?.name().cloned()
}

async fn describe(client: &Client, id: &str) -> Result<Option<Instance>, Fault> {
    let call = client.describe_instances().instance_ids(id).send();
    let absent = ["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"];
    let output = ask(&format!("instance {id}"), &absent, call).await?;
    let reservations = output.and_then(|o| o.reservations).unwrap_or_default();
    Ok(reservations.into_iter().flat_map(|r| r.instances.unwrap_or_default()).next())
}
