//! The event `CodeBuild Build State Change`, in the shape of the CodeBuild User Guide, "Build notifications input format reference".

use super::build::{Build, PhaseState};
use crate::edge::eventbridge::{Bus, Event};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Sends the build's present state to the bus.
pub fn send(bus: &Bus, build: &Build) {
    let detail = detail(build);
    let time = format!("{:.0}", Timestamp::now());
    let event = Event {
        detail_type: "CodeBuild Build State Change",
        source: "aws.codebuild",
        time: &time,
        resources: &[build.arn()],
        detail: &detail,
    };
    bus.send(&build.scope, &event);
}

fn detail(build: &Build) -> Value {
    let progress = build.progress();
    let (project, environment) = (&build.project, &build.project["environment"]);
    let variables: Vec<Value> = environment["environmentVariables"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| json!({"name": v["name"], "value": v["value"], "type": v["type"].as_str().unwrap_or("PLAINTEXT")}))
        .collect();
    let logs = build.logs();
    json!({
        "build-status": progress.status,
        "project-name": build.project_name(),
        "build-id": build.arn(),
        "additional-information": {
            "artifact": {"location": ""},
            "environment": {
                "image": environment["image"],
                "privileged-mode": environment["privilegedMode"].as_bool().unwrap_or(false),
                "compute-type": environment["computeType"],
                "type": environment["type"],
                "environment-variables": variables,
            },
            "timeout-in-minutes": project["timeoutInMinutes"],
            "build-complete": progress.end.is_some(),
            "build-number": build.number,
            "initiator": build.initiator,
            "build-start-time": spoken(build.start),
            "source": {"type": project["source"]["type"], "location": project["source"]["location"]},
            "source-version": project["sourceVersion"],
            "logs": {"group-name": logs["groupName"], "stream-name": logs["streamName"], "deep-link": logs["deepLink"]},
            "phases": progress.phases.iter().map(phase).collect::<Vec<_>>(),
        },
        "current-phase": progress.phases.last().map(|p| p.name),
        "current-phase-context": "[]",
        "version": "1",
    })
}

fn phase(phase: &PhaseState) -> Value {
    let context = match &phase.context {
        Some((code, message)) => json!([format!("{code}: {message}")]),
        None => json!([]),
    };
    let mut shown = json!({"phase-type": phase.name, "phase-context": context, "start-time": spoken(phase.start)});
    if let (Some(status), Some(end)) = (phase.status, phase.end) {
        shown["phase-status"] = json!(status);
        shown["end-time"] = json!(spoken(end));
        shown["duration-in-seconds"] = json!(end.as_second() - phase.start.as_second());
    }
    shown
}

/// CodeBuild's own way of writing a time: `Sep 1, 2017 4:12:29 PM`, in UTC.
fn spoken(time: Timestamp) -> String {
    time.strftime("%b %-d, %Y %-I:%M:%S %p").to_string()
}
