//! From the queue into Incidents, by a replica that does nothing else, beside an apiserver that only stores the same.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use sandbox::{Bare, Operator};

use super::events::deleted;
use super::process::cpu_millis;
use super::{Figure, How};

/// How fast a replica that does not lead stores the Incidents of its queue, beside the bare creates of the same objects.
#[derive(Debug, Args)]
pub struct Intake {
    #[command(flatten)]
    how: How,
    /// How many messages.
    #[arg(long, default_value_t = 5000)]
    messages: usize,
    /// Rounds of clean messages, and of those with poison and duplicates among them; of each kind the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// The creates that the apiserver is asked for at once: as many as the operator has in hand.
const AT_ONCE: usize = 100;
/// Of so many messages one cannot be read, and of so many one has come before.
const POISON: usize = 100;
const DUPLICATE: usize = 10;
const COPIES: &str = "copies";
const PATIENCE: Duration = Duration::from_secs(900);

/// A round.
#[derive(Debug)]
struct Round {
    /// Messages a second, and Incidents a second.
    messages: f64,
    incidents: f64,
    /// Creates of the same objects a second.
    creates: f64,
    /// The operator's processor time for a message, in milliseconds.
    millis: f64,
}

impl Intake {
    pub fn run(self) -> Result<()> {
        eprintln!("xtask: some five minutes");
        let program = self.how.program()?;
        let figures = tokio::runtime::Runtime::new()?.block_on(self.measure(&program))?;
        self.how.tell(&figures)
    }

    async fn measure(&self, program: &Path) -> Result<Vec<Figure>> {
        let place = Bare::start(&reforge::cli::all_manifests()?, 1, 1).await?;
        place.plane().kubectl(&["create", "namespace", COPIES])?;
        let _another = place.led_by_another().await?;
        let mut figures = Vec::new();
        for (kind, mixed) in [("all new", false), ("1 % poison, 10 % duplicates", true)] {
            let mut rounds = Vec::new();
            for i in 0..self.rounds {
                eprintln!("xtask: {} messages, {kind}, round {} of {}", self.messages, i + 1, self.rounds);
                rounds.push(self.round(&place, program, (&format!("{mixed}-{i}"), mixed)).await?);
            }
            rounds.sort_by(|a, b| (a.incidents / a.creates).total_cmp(&(b.incidents / b.creates)));
            let Some(of) = rounds.get(self.rounds / 2) else { continue };
            let beside = || (of.creates, format!("bare creates, {AT_ONCE} at once"));
            let figure = |what: &str, ours: f64| {
                Figure::new(format!("{what}, {kind}"), ours, beside(), "1/s").of_runs(self.rounds)
            };
            figures.push(figure("Incidents stored", of.incidents));
            figures.push(figure("messages worked off", of.messages));
            let whole = (1000.0 / of.messages, "the time for one");
            figures.push(Figure::new(format!("processor time for a message, {kind}"), of.millis, whole, "ms"));
        }
        Ok(figures)
    }

    async fn round(&self, place: &Bare, program: &Path, (name, mixed): (&str, bool)) -> Result<Round> {
        let messages = self.compose(name, mixed);
        place.send(&messages).await?;
        let operator = place.launch(program, &format!("intake-{name}")).await?;
        let pid = operator.pid()?;
        // From when the first is in hand, to when the last is: none goes for long before its Incident is stored.
        let start = Instant::now();
        let number = |of: usize| -> Result<f64> { Ok(f64::from(u32::try_from(of)?)) };
        let all = number(messages.len())?;
        until(async || Ok(done(&operator).await?.messages > 0.0)).await?;
        let (began, before, cpu) = (Instant::now(), done(&operator).await?, cpu_millis(pid)?);
        until(async || Ok(done(&operator).await?.messages >= all)).await?;
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_millis(pid)? - cpu);
        let after = done(&operator).await?;
        ensure!(start.elapsed() < PATIENCE, "it took too long");
        until(async || Ok(place.in_queue().await? == 0)).await.context("messages stay in the queue")?;
        drop(operator);
        let (copies, took) = place.crowd().copy_into(COPIES, "ssm", AT_ONCE).await?;
        ensure!(number(copies)? == after.opened, "{copies} Incidents are there, and {} were opened", after.opened);
        place.crowd().clear("ssm").await?;
        let round = Round {
            messages: (after.messages - before.messages) / seconds,
            incidents: (after.opened - before.opened) / seconds,
            creates: number(copies)? / took.as_secs_f64(),
            millis: cpu / (after.messages - before.messages),
        };
        eprintln!("xtask: {round:.2?}");
        Ok(round)
    }

    /// The bodies of the messages; duplicates come soon after what they repeat.
    fn compose(&self, round: &str, mixed: bool) -> Vec<String> {
        let event = |i: usize| deleted(&format!("{round}-{i}"), &format!("/bare/0/{round}-{i}"));
        let one = |i: usize| match i {
            _ if !mixed => event(i),
            _ if i % POISON == POISON / 2 => format!("{{ no event {i}"),
            _ if i > DUPLICATE && i % DUPLICATE == 0 => event(i - 7),
            _ => event(i),
        };
        (0..self.messages).map(one).collect()
    }
}

/// What a replica has done with its messages so far.
struct Done {
    messages: f64,
    opened: f64,
}

async fn done(operator: &Operator) -> Result<Done> {
    let (_, text) = sandbox::get(operator.port(), "/metrics").await?;
    let sum = |name: &str| -> f64 {
        let of_it = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        of_it.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let opened = sum("reforge_incidents_opened_total");
    let others = sum("reforge_events_redelivered_total") + sum("reforge_messages_dead_lettered_total");
    Ok(Done { messages: opened + others, opened })
}

async fn until(is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so().await? {
        ensure!(start.elapsed() < PATIENCE, "it takes too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
