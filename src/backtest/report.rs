//! What a backtest found, as a table, as JSON or as a page. The Incidents go through a file, not through memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, Write};
use std::time::Duration;

use anyhow::Result;
use kube::ResourceExt;
use reforge_api::Time;
use reforge_core::policy::select;
use reforge_core::words::text::shorten;
use reforge_scan::Totals;
use serde_json::{Value, json};

use super::Backtest;
use super::judge::{Decision, Judge, Outcome};
use super::order::Logged;
use super::read::Dropped;

const PAGE: &str = include_str!("report.html");
const PLACE: &str = "__REPORT_JSON__";
/// The most Incidents that a page holds; JSON has them all.
const ON_PAGE: u64 = 20_000;
/// The most Incidents that a table lists.
const IN_TABLE: usize = 50;
/// Actors that are counted; whoever comes later than so many others is counted together with the rest.
const ACTORS: usize = 10_000;

/// A minute of CodeBuild's general1.small on Linux in US East, in micro-dollars (AWS CodeBuild pricing).
const BUILD_MINUTE: u64 = 5_000;
/// Minutes that a plan and an apply are taken to last, CodeBuild's start among them.
const MINUTES: (u64, u64) = (2, 3);
/// A question to Nova Lite with some 900 tokens in and 120 out, in micro-dollars (Amazon Bedrock pricing).
const QUESTION: u64 = 83;
/// An e-mail by SNS beyond the free ones, in micro-dollars (Amazon SNS pricing).
const MESSAGE: u64 = 20;

/// What a backtest found.
#[derive(Debug)]
pub struct Report {
    head: serde_json::Map<String, Value>,
    rows: BufWriter<File>,
    listed: u64,
    by_decision: BTreeMap<&'static str, u64>,
    by_verdict: BTreeMap<String, u64>,
    by_policy: BTreeMap<(String, String), u64>,
    actors: BTreeMap<String, u64>,
    range: Option<(Time, Time)>,
    troubles: Vec<String>,
}

impl Report {
    /// Nothing is judged yet.
    pub fn new(backtest: &Backtest, totals: &Totals, dropped: &Dropped, range: Option<(Time, Time)>) -> Result<Self> {
        let policies = backtest.policies.iter().map(|p| {
            let why = select::validate(p, &backtest.grants).err().map(|why| why.to_string());
            json!({
                "namespace": p.namespace().unwrap_or_default(),
                "name": p.name_any(),
                "mode": p.spec.mode,
                "incidents": 0,
                "ready": why.is_none(),
                "message": why.unwrap_or_default(),
            })
        });
        let inputs: Vec<Value> = totals
            .troubles
            .iter()
            .map(|t| json!({"name": t.input.display().to_string(), "records": null, "error": t.what.to_string()}))
            .collect();
        let head = json!({
            "generatedBy": concat!("reforge ", env!("CARGO_PKG_VERSION")),
            "records": totals.counts.records() + totals.counts.unreadable,
            "bytes": totals.bytes,
            "inputs": inputs,
            "inputsTotal": totals.inputs,
            "dropped": dropped,
            "policies": policies.collect::<Vec<_>>(),
        });
        let Value::Object(head) = head else { unreachable!("an object was written") };
        let troubles =
            totals.troubles.iter().map(|t| shorten(&format!("{}: {}", t.input.display(), t.what), 500)).collect();
        Ok(Self {
            head,
            rows: BufWriter::new(tempfile::tempfile_in(&backtest.scratch)?),
            listed: 0,
            by_decision: BTreeMap::new(),
            by_verdict: BTreeMap::new(),
            by_policy: BTreeMap::new(),
            actors: BTreeMap::new(),
            range,
            troubles,
        })
    }

    /// Adds what became of an event.
    pub fn add(&mut self, kept: &Logged, outcome: &Outcome) -> Result<()> {
        let Outcome { spec, verdict, confidence_percent, decision, reasons } = outcome;
        let (event, resource) = (&spec.event, &spec.resource);
        let actor = event.actor.arn.clone().unwrap_or_else(|| event.actor.r#type.clone());
        let row = json!({
            "eventId": event.id,
            "eventTime": event.time,
            "eventName": event.name,
            "eventSource": event.source,
            "accountId": event.account_id,
            "region": event.region,
            "actor": actor,
            "resourceType": resource.r#type,
            "resourceId": resource.id,
            "change": spec.change,
            "verdict": verdict,
            "confidencePercent": confidence_percent,
            "decision": decision.word(),
            "reasons": reasons,
            "policy": kept.policy,
            "namespace": kept.namespace,
        });
        serde_json::to_writer(&mut self.rows, &row)?;
        self.rows.write_all(b"\n")?;
        self.listed += 1;
        *self.by_decision.entry(decision.word()).or_default() += 1;
        *self.by_verdict.entry(format!("{verdict:?}")).or_default() += 1;
        *self.by_policy.entry((kept.namespace.clone(), kept.policy.clone())).or_default() += 1;
        let is_full = self.actors.len() >= ACTORS && !self.actors.contains_key(&actor);
        *self.actors.entry(if is_full { "others".to_owned() } else { actor }).or_default() += 1;
        Ok(())
    }

    /// Adds what is known once all is judged.
    pub fn finish(&mut self, judge: &Judge<'_>, took: Duration) {
        let work = judge.work();
        let (plan, apply) = MINUTES;
        let items = [
            ("CodeBuild minutes", (work.plans * plan + work.applies * apply) * BUILD_MINUTE),
            ("model tokens", work.questions * QUESTION),
            ("messages", work.messages * MESSAGE),
        ];
        let mut actors: Vec<(&String, &u64)> = self.actors.iter().collect();
        actors.sort_by_key(|(actor, count)| (std::cmp::Reverse(**count), (*actor).clone()));
        let actors: Vec<Value> =
            actors.iter().take(20).map(|(actor, count)| json!({"actor": actor, "incidents": count})).collect();
        let storms: Vec<Value> = judge
            .storms()
            .iter()
            .map(|s| {
                json!({"namespace": s.policy.0, "policy": s.policy.1, "from": s.from, "to": s.to, "incidents": s.incidents})
            })
            .collect();
        if let Some(Value::Array(policies)) = self.head.get_mut("policies") {
            for policy in policies {
                let text = |name: &str| policy[name].as_str().unwrap_or_default().to_owned();
                let count = self.by_policy.get(&(text("namespace"), text("name"))).copied().unwrap_or_default();
                policy["incidents"] = json!(count);
            }
        }
        let range = |end: fn((Time, Time)) -> Time| self.range.map(end);
        for (name, value) in [
            ("from", json!(range(|(from, _)| from))),
            ("to", json!(range(|(_, to)| to))),
            ("seconds", json!(took.as_secs_f64())),
            ("incidentsTotal", json!(self.listed)),
            ("decisions", json!(self.by_decision)),
            ("verdicts", json!(self.by_verdict)),
            ("actors", json!(actors)),
            ("storms", json!(storms)),
            ("builds", json!({"plan": work.plans, "apply": work.applies})),
            (
                "cost",
                json!({
                    "microDollars": items.iter().map(|(_, cost)| cost).sum::<u64>(),
                    "items": items.map(|(what, cost)| json!({"what": what, "microDollars": cost})),
                }),
            ),
        ] {
            self.head.insert(name.to_owned(), value);
        }
    }

    /// What could not be read, each with its file.
    pub fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// How many Incidents had this decision.
    pub fn count(&self, decision: Decision) -> u64 {
        self.by_decision.get(decision.word()).copied().unwrap_or_default()
    }

    /// Writes everything as one JSON object.
    pub fn json(&mut self, out: &mut dyn Write) -> Result<()> {
        self.object(out, u64::MAX)?;
        Ok(writeln!(out)?)
    }

    /// Writes one page that needs nothing else.
    pub fn html(&mut self, out: &mut dyn Write) -> Result<()> {
        let (before, after) = PAGE.split_once(PLACE).unwrap_or((PAGE, ""));
        out.write_all(before.as_bytes())?;
        self.object(&mut NoTags(out), ON_PAGE)?;
        Ok(out.write_all(after.as_bytes())?)
    }

    fn object(&mut self, out: &mut dyn Write, at_most: u64) -> Result<()> {
        let head = serde_json::to_string(&self.head)?;
        out.write_all(head.strip_suffix('}').unwrap_or(&head).as_bytes())?;
        out.write_all(b",\"incidents\":[")?;
        let mut first = true;
        self.each(at_most, |line| {
            if !first {
                out.write_all(b",")?;
            }
            first = false;
            Ok(out.write_all(line.as_bytes())?)
        })?;
        Ok(out.write_all(b"]}")?)
    }

    fn each(&mut self, at_most: u64, mut tell: impl FnMut(&str) -> Result<()>) -> Result<()> {
        self.rows.flush()?;
        let file = self.rows.get_mut();
        file.rewind()?;
        for (line, _) in BufReader::new(&*file).lines().zip(0..at_most) {
            tell(&line?)?;
        }
        file.seek(std::io::SeekFrom::End(0))?;
        Ok(())
    }

    /// Writes what a person wants to know first.
    pub fn table(&mut self, out: &mut dyn Write) -> Result<()> {
        let number = |name: &str| self.head.get(name).and_then(Value::as_u64).unwrap_or_default();
        writeln!(out, "{} records read, {} Incidents\n", number("records"), self.listed)?;
        for decision in Decision::ALL {
            let count = self.count(decision);
            if count > 0 {
                writeln!(out, "{count:>10}  {:<12} {}", decision.word(), means(decision))?;
            }
        }
        writeln!(out, "\nDropped")?;
        for (reason, count) in self.head.get("dropped").and_then(Value::as_object).into_iter().flatten() {
            writeln!(out, "{:>10}  {reason}", count.as_u64().unwrap_or_default())?;
        }
        if let Some(cost) = self.head.get("cost").and_then(|c| c["microDollars"].as_u64()) {
            let builds = &self.head["builds"];
            writeln!(
                out,
                "\nBuilds     {} plans, {} applies; about ${}.{:02} in all",
                builds["plan"],
                builds["apply"],
                cost / 1_000_000,
                cost % 1_000_000 / 10_000
            )?;
        }
        for storm in self.head.get("storms").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| storm[name].as_str().unwrap_or_default().to_owned();
            writeln!(
                out,
                "Storm      {} Incidents of {}/{} from {} to {}",
                storm["incidents"],
                text("namespace"),
                text("policy"),
                text("from"),
                text("to")
            )?;
        }
        for actor in self.head.get("actors").and_then(Value::as_array).into_iter().flatten().take(3) {
            let name = actor["actor"].as_str().unwrap_or_default();
            writeln!(out, "Noisy      {name} with {} Incidents", actor["incidents"])?;
        }
        let most = u64::try_from(IN_TABLE).unwrap_or(u64::MAX);
        writeln!(
            out,
            "\n{:<24} {:<24} {:<16} {:<30} {:<10} {:<12} WHY",
            "TIME", "EVENT", "TYPE", "RESOURCE", "VERDICT", "DECISION"
        )?;
        self.each(most, |line| {
            let row: Value = serde_json::from_str(line)?;
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let why: Vec<&str> = row["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            Ok(writeln!(
                out,
                "{:<24} {:<24} {:<16} {:<30} {:<10} {:<12} {}",
                text("eventTime"),
                text("eventName"),
                text("resourceType"),
                text("resourceId"),
                text("verdict"),
                text("decision"),
                why.join("; ")
            )?)
        })?;
        if self.listed > most {
            writeln!(out, "and {} more; --format json has them all", self.listed - most)?;
        }
        for trouble in &self.troubles {
            writeln!(out, "not read: {trouble}")?;
        }
        Ok(())
    }
}

fn means(decision: Decision) -> &'static str {
    match decision {
        Decision::Go => "put back without a human",
        Decision::Wait => "put back later: a window, a cool-down, or others first",
        Decision::Ask => "a human would have been asked",
        Decision::ObserveOnly => "planned and told, and nothing more: the policy observes",
        Decision::Held => "waiting until somebody mends the policy, which cannot be used",
        Decision::Suspended => "the policy is suspended",
        Decision::Refuse => "refused",
        Decision::Normal => "expected: nothing to put back",
        Decision::NotManaged => "no Terraform owns it",
    }
}

/// Nothing in a page's data may look like a tag to whoever reads the page.
struct NoTags<'a>(&'a mut dyn Write);

impl Write for NoTags<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for part in bytes.split_inclusive(|b| *b == b'<') {
            match part.split_last() {
                Some((b'<', text)) => {
                    self.0.write_all(text)?;
                    self.0.write_all(b"\\u003c")?;
                }
                _ => self.0.write_all(part)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
