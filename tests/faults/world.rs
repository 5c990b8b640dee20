//! The sandbox, with all faults in it at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use futures::future::join_all;
use sandbox::{Caller, Front, Installed, Programs, Setup, edge};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::course::{self, Around, Seen};
use crate::dependency::{Dependency, Kind};
use crate::incidents::Incidents;
use crate::neighbour::{self, Spans};
use crate::queue;
use crate::stage::{FUNCTIONS_ROLE, Prop, Stage};
use crate::workspaces;

/// Stages that are set at once: each has a build.
const AT_ONCE: usize = 8;

/// What was seen of all.
pub struct All {
    pub seen: BTreeMap<(Dependency, Kind), Result<Seen, String>>,
    pub beside: Spans,
}

/// Played once, for all tests.
pub static ALL: LazyLock<All> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(play())
});

async fn play() -> All {
    let start = Instant::now();
    let say = move |what: &str| eprintln!("faults: [{} s] {what}", start.elapsed().as_secs());
    let programs = Programs {
        operator: PathBuf::from(env!("CARGO_BIN_EXE_reforge")),
        plugin: PathBuf::from(env!("CARGO_BIN_EXE_kubectl-reforge")),
    };
    let cells: Vec<(Dependency, Kind)> =
        Dependency::ALL.into_iter().flat_map(|of| Kind::ALL.map(|kind| (of, kind))).collect();
    let setup = Setup { stages: 1, services: &["dynamodb", "ec2", "lambda"], ..Setup::default() };
    let installed = Installed::start(Path::new(env!("CARGO_MANIFEST_DIR")), setup, programs, say).await;
    let mut installed = installed.expect("the sandbox starts");
    let incidents = Incidents::watch(&installed.sandbox).await;
    let front = Front::start(&installed.sandbox.operator_kubeconfig().expect("a kubeconfig")).await.expect("a front");
    installed.reach_apiserver_by(front.kubeconfig(installed.sandbox.folder()).expect("a kubeconfig"));
    let installed: &'static Installed = Box::leak(Box::new(installed));
    let queues = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
        "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"],
        "Resource": format!("arn:aws:sqs:*:*:{}*", queue::QUEUES)}})
    .to_string();
    let allow = ["iam", "put-role-policy", "--role-name", "reforge-operator", "--policy-name", "faults"];
    let allow = [&allow[..], &["--policy-document", &queues]].concat();
    installed.sandbox.aws(Caller::Terraform, &allow).await.expect("a policy");
    let stages = cells.len() + 1;
    say("making the workspaces");
    workspaces::multiply(&installed.sandbox, stages).await.expect("workspaces");
    say("starting the operator");
    installed.start_operator().await;
    let mut settings = json!(null);
    installed
        .restart_with(|all| {
            grant(all, stages);
            settings = all.clone();
            all["sweep"] = json!({"every": "45s", "lag": "2s"});
        })
        .await;
    let around = Arc::new(Around { incidents, settings, front });
    let trust = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com"}}});
    let role =
        ["iam", "create-role", "--role-name", FUNCTIONS_ROLE, "--assume-role-policy-document", &trust.to_string()];
    installed.sandbox.aws(Caller::Terraform, &role).await.expect("a role");
    say("setting the stages");
    let neighbour =
        Prop { kind: edge::Kind::Parameter, what: "neighbour".into(), region: sandbox::REGION, expect: Vec::new() };
    let props: Vec<_> = cells.iter().map(|(of, kind)| of.prop(*kind)).chain([neighbour]).enumerate().collect();
    let mut set = Vec::new();
    for some in props.chunks(AT_ONCE) {
        let setting = some.iter().map(|(number, prop)| {
            Stage::set(installed, around.incidents.clone(), sandbox::stage(*number), prop.clone())
        });
        set.extend(join_all(setting).await);
    }
    let all: Vec<Value> = set.iter().flat_map(Stage::manifests).collect();
    let plane = installed.sandbox.plane();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": all});
    plane.kubectl_with(&list.to_string(), &["apply", "-f", "-"]).expect("policies");
    installed.kubectl(&["wait", "-A", "--for=condition=Ready", "recoverypolicies", "--all", "--timeout=60s"]);
    let beside = set.pop().expect("a neighbour");
    say("the faults begin");
    let over = Arc::new(AtomicBool::new(false));
    let living = {
        let over = over.clone();
        tokio::spawn(async move { neighbour::live(&beside, &over).await })
    };
    let courses = cells.iter().zip(set).map(|((of, kind), stage)| {
        let (of, kind, around) = (*of, *kind, around.clone());
        tokio::spawn(async move { course::play(&stage, of, kind, &around).await })
    });
    let played = join_all(courses.collect::<Vec<_>>()).await;
    say("the faults have ended");
    over.store(true, Ordering::SeqCst);
    let beside = living.await.expect("the neighbour is left in peace");
    let seen = cells.into_iter().zip(played.into_iter().map(|one| one.map_err(|error| error.to_string()))).collect();
    All { seen, beside }
}

/// Each stage is granted its own workspace, in every region that something goes wrong in.
fn grant(settings: &mut Value, stages: usize) {
    let regions: Vec<&str> = Kind::ALL.map(Kind::region).into_iter().chain([sandbox::REGION]).collect();
    let grants = (0..stages).map(sandbox::stage).map(|name| {
        let projects = [format!("aiops-{name}-plan"), format!("aiops-{name}-recovery")];
        json!({"namespace": name, "accounts": [sandbox::ACCOUNT], "regions": regions, "projects": projects})
    });
    settings["grants"] = grants.collect();
}
