//! The course of one fault: it begins, an Incident meets it, two minutes pass, it ends, and the Incident goes on.

use std::time::{Duration, Instant};

use sandbox::Front;
use sandbox::edge::Counted;
use sandbox::incident::{has_ended, message, phase};
use serde_json::Value;

use crate::dependency::{Dependency, Kind};
use crate::incidents::Incidents;
use crate::queue;
use crate::stage::Stage;

/// From when on after a fault's first call the calls are counted, and until when.
const WINDOW: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(120));

/// What was seen of one fault.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What people read.
    pub said: String,
    /// Calls in the second minute.
    pub calls: usize,
    /// Writes of the Incident in the second minute.
    pub writes: usize,
    /// From the first call that failed to when the fault ended.
    pub span: (Instant, Instant),
}

/// What courses have around them.
pub struct Around {
    /// How Incidents are, and when they were written.
    pub incidents: Incidents,
    /// The operator's settings.
    pub settings: Value,
    /// What the operator has between itself and the apiserver.
    pub front: Front,
}

/// Between two looks at a count.
const LOOK: Duration = Duration::from_millis(100);

/// Plays it.
pub async fn play(stage: &Stage, of: Dependency, kind: Kind, around: &Around) -> Seen {
    let text = of.text(stage);
    let strike = || stage.installed.sandbox.edge().faults().strike(&of.aim(&text), kind.manner());
    match of {
        Dependency::Apiserver => unwritten(stage, kind, around).await,
        Dependency::Sqs => queue::play(stage, kind, &strike(), around).await,
        Dependency::CloudTrail => unswept(stage, &strike(), around).await,
        _ => told(stage, of, &strike(), around).await,
    }
}

/// An Incident meets it, and says so; or goes on without.
async fn told(stage: &Stage, of: Dependency, struck: &Counted, around: &Around) -> Seen {
    let name = stage.broken().await;
    let meets = |incident: &Value| {
        if of.is_waited_for() { !incident["status"]["trouble"].is_null() } else { has_ended(incident) }
    };
    stage.until(&name, "in trouble, or past it", meets).await;
    let begin = begun(struck).await;
    let during = async || {
        let incident = around.incidents.get(&name);
        match of {
            Dependency::Bedrock => {
                incident["status"]["classification"]["reason"].as_str().unwrap_or_default().to_owned()
            }
            Dependency::Sns => logged(stage, "people were not told", &name, "why"),
            _ => message(&incident).to_owned(),
        }
    };
    seen(stage, struck, begin, around, Some(&name), during).await
}

/// An Incident whose build is under way can be neither read nor written. That can be read in the log alone.
async fn unwritten(stage: &Stage, kind: Kind, around: &Around) -> Seen {
    stage.script.pause();
    let name = stage.broken().await;
    let builds = |incident: &Value| !incident["status"]["recovery"]["build"].is_null();
    stage.until(&name, "at work", builds).await;
    let struck = around.front.strike(&format!("/incidents/{name}"), kind.manner());
    stage.script.go_on();
    let begin = begun(&struck).await;
    let during = async || logged(stage, "the Incident could not be worked on; it is tried again", &name, "error");
    seen(stage, &struck, begin, around, Some(&name), during).await
}

/// What happens while the sweep does not get through, in a region that no rule listens in.
async fn unswept(stage: &Stage, struck: &Counted, around: &Around) -> Seen {
    let begin = begun(struck).await;
    stage.break_it().await;
    let during = async || {
        let said = "the sweep over CloudTrail did not get through; the next one begins where it began";
        logged(stage, said, stage.prop.region, "error")
    };
    seen(stage, struck, begin, around, None, during).await
}

/// When the first call failed.
pub async fn begun(struck: &Counted) -> Instant {
    loop {
        if let Some(first) = struck.times().first() {
            return *first;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Lets two minutes pass, looks, ends the fault, and sees the Incident, which may not be there before, to its end.
pub async fn seen(
    stage: &Stage,
    struck: &Counted,
    begin: Instant,
    around: &Around,
    incident: Option<&str>,
    during: impl AsyncFnOnce() -> String,
) -> Seen {
    tokio::time::sleep_until((begin + WINDOW.1).into()).await;
    let said = during().await;
    let end = Instant::now();
    struck.end();
    let name = match incident {
        Some(name) => name.to_owned(),
        None => stage.opened().await,
    };
    let after = stage.until(&name, "ended", has_ended).await;
    assert_eq!(phase(&after), "Recovered", "{after:#}");
    let in_window =
        |times: &[Instant]| times.iter().filter(|t| **t >= begin + WINDOW.0 && **t < begin + WINDOW.1).count();
    let (calls, writes) = (in_window(&struck.times()), in_window(&around.incidents.writes(&name)));
    Seen { said: stage.generally(&said.replace(&name, "INCIDENT")), calls, writes, span: (begin, end) }
}

/// A field of the last line in the operator's log with this message and, somewhere, this word.
fn logged(stage: &Stage, message: &str, about: &str, field: &str) -> String {
    let lines = stage.installed.logged();
    let is_it = |line: &&Value| line["message"] == message && line.to_string().contains(about);
    let line = lines.iter().rev().find(is_it).unwrap_or_else(|| panic!("the log does not say that {message}: {about}"));
    line[field].as_str().unwrap_or_default().to_owned()
}
