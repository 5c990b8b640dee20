//! A queue that cannot be read: a replica of its own has one of its own, and does not lead. What waits there is found when
//! the fault has ended, and goes the way of any event.

use std::path::Path;

use sandbox::edge::Counted;
use sandbox::{Caller, Operator, get};
use serde_json::{Value, json};

use crate::course::{Around, Seen, begun, seen};
use crate::dependency::Kind;
use crate::stage::Stage;

/// The names of all such queues begin so: the operator's role may read them.
pub const QUEUES: &str = "faults-";

pub async fn play(stage: &Stage, kind: Kind, struck: &Counted, around: &Around) -> Seen {
    let sandbox = &stage.installed.sandbox;
    let name = format!("{QUEUES}{}", stage.prop.what);
    let create = ["sqs", "create-queue", "--queue-name", &name, "--output", "json"];
    let made = sandbox.aws(Caller::Terraform, &create).await.expect("a queue");
    let url = serde_json::from_str::<Value>(&made).expect("JSON")["QueueUrl"].as_str().expect("a URL").to_owned();
    let mut settings = around.settings.clone();
    settings["queueUrl"] = json!(url);
    let (program, kubeconfig) = (Path::new(env!("CARGO_BIN_EXE_reforge")), sandbox.operator_kubeconfig());
    let replica = format!("replica-{}", kind.word());
    let replica = Operator::spawn(sandbox, program, &kubeconfig.expect("a kubeconfig"), &settings, &replica);
    let replica = replica.expect("a replica");
    let begin = begun(struck).await;
    stage.break_it().await;
    stage.forward(&url).await;
    let during = async || get(replica.port(), "/readyz").await.expect("it answers").1.replace(&url, "QUEUE");
    seen(stage, struck, begin, around, None, during).await
}
