//! An instance: terminated or stopped, or another one running in its place.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName};
use reforge_core::incident::subject::Subject;
use reforge_core::words::fault::Fault;

use crate::ask::ask;
use crate::gather::{Gather, Pace};

use super::{Found, TIMEOUT, asking};

/// Values that a filter takes are 200 (API reference of EC2, DescribeInstances).
const BATCH: usize = 100;

/// DescribeInstances, by a filter: of an id in the list that is not there, EC2 would refuse the whole list.
pub(super) fn instances(client: Client) -> Gather<Instance> {
    Gather::start(Pace::shared(BATCH), move |ids| {
        let filter = Filter::builder().name("instance-id").set_values(Some(ids)).build();
        let call = client.describe_instances().filters(filter).send();
        async move {
            let found = ask("asking AWS about instances", TIMEOUT, call).await?.reservations.unwrap_or_default();
            let instances = found.into_iter().flat_map(|r| r.instances.unwrap_or_default());
            Ok(instances.filter_map(|i| Some((i.instance_id.clone()?, i))).collect())
        }
    })
}

pub(super) async fn settling(instances: &Gather<Instance>, id: &str) -> Result<Option<String>, Fault> {
    let state = state_of(describe(instances, id).await?.as_ref());
    let moving = matches!(state, Some(InstanceStateName::ShuttingDown | InstanceStateName::Stopping));
    Ok(state.filter(|_| moving).map(|s| format!("instance {id} is {}", s.as_str())))
}

pub(super) async fn find(instances: &Gather<Instance>, subject: &Subject<'_>) -> Result<Found, Fault> {
    let name = "instance is running";
    let Some(id) = subject.id_of("aws_instance") else {
        return Ok(Found::new(name, false, "Terraform knows no instance at the address"));
    };
    let state = state_of(describe(instances, id).await?.as_ref());
    let said = state.as_ref().map_or("gone", InstanceStateName::as_str);
    let passed = state == Some(InstanceStateName::Running);
    let mut found = Found::new(name, passed, format!("{id} is {said}, it was {}", subject.old_id));
    found.id = Some(id.to_owned());
    found.arn = subject.now.iter().find(|r| r.terraform_type == "aws_instance").and_then(|r| r.arn.clone());
    Ok(found)
}

fn state_of(instance: Option<&Instance>) -> Option<InstanceStateName> {
    instance?.state()?.name().cloned()
}

async fn describe(instances: &Gather<Instance>, id: &str) -> Result<Option<Instance>, Fault> {
    instances.one(id, &asking(&format!("instance {id}"))).await
}
