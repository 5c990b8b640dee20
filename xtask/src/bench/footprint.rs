//! What a year of Incidents costs the operator: memory, its start, and whether the work for one more event, and for one more
//! recovery, grows with it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use sandbox::{Bare, bare};

use super::apiserver::Answered;
use super::events::{changed, deleted};
use super::process::{cpu_millis, forget_peak, memory};
use super::{Figure, How};

/// The operator's memory, its start, and its work for an event and a recovery, by how many ended Incidents there are.
#[derive(Debug, Args)]
pub struct Footprint {
    #[command(flatten)]
    how: How,
    /// How many ended Incidents; the first is what the others are compared with.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 10_000])]
    incidents: Vec<usize>,
    /// How many policies.
    #[arg(long, default_value_t = 100)]
    policies: usize,
}

/// Events, and recoveries, whose work is measured together: one in each workspace.
const EVENTS: usize = 200;
const WORKSPACES: usize = 10;
/// Rounds of each; the one with the least processor time counts, since others on the machine can only add to it.
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(900);

/// What was measured with so many Incidents.
struct Measured {
    incidents: usize,
    ready: f64,
    listed: f64,
    resident: f64,
    peak: f64,
    relisted: f64,
    apiserver: f64,
    event: Work,
    recovery: Work,
}

/// Processor time and calls of the apiserver for one, in milliseconds and as a number.
struct Work {
    millis: f64,
    calls: f64,
}

impl Footprint {
    pub fn run(self) -> Result<()> {
        ensure!(!self.incidents.is_empty(), "say how many Incidents");
        eprintln!("xtask: some five minutes for 10,000 Incidents, half an hour for 100,000");
        let program = self.how.program()?;
        let measured = tokio::runtime::Runtime::new()?.block_on(self.measure(&program))?;
        self.how.tell(&figures(&measured))
    }

    async fn measure(&self, program: &Path) -> Result<Vec<Measured>> {
        let place = Bare::start(&reforge::cli::all_manifests()?, self.policies.max(WORKSPACES), WORKSPACES).await?;
        let mut measured = Vec::new();
        let mut there = 0;
        for count in &self.incidents {
            eprintln!("xtask: storing ended Incidents up to {count}");
            place.crowd().grow(there, *count).await?;
            there = there.max(*count);
            measured.push(among(&place, program, *count).await?);
        }
        Ok(measured)
    }
}

async fn among(place: &Bare, program: &Path, incidents: usize) -> Result<Measured> {
    // The apiserver fills its own cache in the first list; the second is what the operator is compared with.
    place.crowd().list_in_pages().await?;
    let listed = place.crowd().list_in_pages().await?.as_secs_f64();
    eprintln!("xtask: starting the operator among {incidents}");
    let start = Instant::now();
    let operator = place.launch(program, &format!("among-{incidents}")).await?;
    let ready = start.elapsed().as_secs_f64();
    let pid = operator.pid()?;
    let peak = memory(pid, "VmHWM:")?;
    // The first round warms what is made once, whatever the size.
    send(place, incidents, "warm").await?;
    recover(place).await?;
    let event = work_of(place, pid, EVENTS, async |i| send(place, incidents, &format!("round-{i}")).await).await?;
    let recovery = work_of(place, pid, WORKSPACES, async |_| recover(place).await).await?;
    let resident = memory(pid, "VmRSS:")?;
    eprintln!("xtask: starting the apiserver again: everything is listed anew");
    let relisted = relisted(place, pid, incidents).await?;
    let apiserver = memory(place.plane().apiserver_pid()?, "VmRSS:")?;
    Ok(Measured { incidents, ready, listed, resident, peak, relisted, apiserver, event, recovery })
}

/// What a number of things costs, each.
async fn work_of(place: &Bare, pid: u32, number: usize, round: impl AsyncFn(usize) -> Result<()>) -> Result<Work> {
    let number = f64::from(u32::try_from(number)?);
    let mut least = Work { millis: f64::MAX, calls: f64::MAX };
    for i in 0..ROUNDS {
        let (cpu, calls) = (cpu_millis(pid)?, Answered::by(place.plane())?);
        round(i).await?;
        let (cpu, calls) = (cpu_millis(pid)? - cpu, Answered::by(place.plane())?.since(&calls));
        // The election and its lease cost the same with any number of Incidents, and more where a run takes longer.
        let kinds = [" incidents", " events", " recoverypolicies"];
        let calls = calls.count(|call| kinds.iter().any(|kind| call.contains(kind)));
        if cpu / number < least.millis {
            least = Work { millis: cpu / number, calls: calls / number };
        }
    }
    Ok(least)
}

/// Sends events of resources that no Terraform owns, and waits until their Incidents have ended.
async fn send(place: &Bare, incidents: usize, round: &str) -> Result<()> {
    let id = |i: usize| format!("{round}-{incidents}-{i}");
    let events: Vec<String> = (0..EVENTS).map(|i| deleted(&id(i), &format!("/bare/0/{}", id(i)))).collect();
    place.send(&events).await?;
    let prefix = format!("/bare/0/{round}-{incidents}-");
    until(async || Ok(place.crowd().ended_of("ssm", &prefix).await? >= EVENTS)).await
}

/// Tampers with the parameter of each workspace, and waits until all are put back.
async fn recover(place: &Bare) -> Result<()> {
    let before = place.crowd().ended_of("ssm", "/bare/").await?;
    let mut events = Vec::new();
    for workspace in 0..WORKSPACES {
        place.tamper(workspace).await?;
        let id = format!("{:?}", jiff::Timestamp::now());
        events.push(changed(&id, &bare::parameter(workspace)));
    }
    place.send(&events).await?;
    until(async || Ok(place.crowd().ended_of("ssm", "/bare/").await? >= before + WORKSPACES)).await
}

/// The most that the operator has in memory while everything is listed anew: an apiserver that was just started knows of no
/// change from before, and lets no watch go on from there.
async fn relisted(place: &Bare, pid: u32, incidents: usize) -> Result<f64> {
    place.plane().stop_apiserver();
    place.plane().start_apiserver()?;
    forget_peak(pid)?;
    // What is opened now is listed after all that was there, and ends when it was seen there.
    send(place, incidents, "relisted").await?;
    memory(pid, "VmHWM:")
}

async fn until(is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so().await? {
        if start.elapsed() > PATIENCE {
            bail!("the Incidents have not ended");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

fn figures(measured: &[Measured]) -> Vec<Figure> {
    let Some(first) = measured.first() else { return Vec::new() };
    let mut figures = Vec::new();
    for of in measured {
        let n = of.incidents;
        let small = |value: f64| (value, format!("with {} Incidents", first.incidents));
        let apiserver = || (of.apiserver, "the apiserver's memory".to_owned());
        let mut add = |what: &str, ours: f64, beside: (f64, String), unit: &'static str| {
            figures.push(Figure::new(format!("{n} Incidents: {what}"), ours, beside, unit));
        };
        add("resident memory", of.resident, small(first.resident), "MiB");
        add("peak of it, with the first list", of.peak, apiserver(), "MiB");
        add("peak of it, while all is listed anew", of.relisted, apiserver(), "MiB");
        add("ready after", of.ready, (of.listed, "a list in the same pages".to_owned()), "s");
        add("processor time for an event", of.event.millis, small(first.event.millis), "ms");
        add("calls of the apiserver for an event", of.event.calls, small(first.event.calls), "");
        add("processor time for a recovery", of.recovery.millis, small(first.recovery.millis), "ms");
        add("calls of the apiserver for a recovery", of.recovery.calls, small(first.recovery.calls), "");
    }
    figures
}
