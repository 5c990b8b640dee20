//! `cargo xtask aws`: the five recoveries on a real AWS account, with everything removed again at the end.
//!
//! `guard` looks before anything is made, `record` notes what is about to be, `make` makes it, `play` breaks it and lets the
//! operator put it back, `teardown` removes it, whatever happened in between. With `--endpoint sandbox` the same runs on the
//! emulated AWS, so that it is known to run.
//!
//! `access` is the way to AWS, `terraform` the way to Terraform, `programs` the only way to start anything, and `environment`
//! what that gets of the caller's. `found` asks what there is. What decides calls nothing: `owner` whose a thing is,
//! `identity` whether the account is still the same, `session` whether the credentials last, `calls` what a call does,
//! `names`, `thing`, `config` and `cost` what the rest is told.
#![deny(clippy::disallowed_methods)]

mod access;
mod calls;
mod config;
mod cost;
mod environment;
mod found;
mod guard;
mod identity;
mod make;
mod names;
mod owner;
mod play;
mod programs;
mod record;
mod session;
mod stop;
mod teardown;
mod terraform;
mod thing;
mod underway;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use sandbox::{Emulated, NAMESPACE};

use crate::machine;
use crate::outcome::Outcomes;
use access::{Access, Credentials};
use identity::{Identity, is_there};
use jiff::Timestamp;
use make::{Download, Maker};
use owner::Runs;
use play::Stage;
use record::{Noted, Record};
use stop::Stop;
use teardown::Teardown;

/// Prove the five recoveries on a real AWS account, and remove everything again.
#[derive(Debug, Args)]
pub struct Aws {
    /// The profile of the AWS CLI to work under.
    #[arg(long, required_unless_present = "endpoint", conflicts_with = "endpoint")]
    profile: Option<String>,
    /// The region to work in.
    #[arg(
        long,
        required_unless_present = "endpoint",
        default_value_if("endpoint", clap::builder::ArgPredicate::IsPresent, "us-east-1")
    )]
    region: Option<String>,
    /// Leave everything as it is after the scenarios, until ctrl-c, and say how to reach it.
    #[arg(long)]
    keep: bool,
    /// Write the results here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only remove what an earlier run left.
    #[arg(long)]
    teardown: bool,
    /// `sandbox`, or the address of an emulated AWS on this machine, in place of the real one.
    #[arg(long)]
    endpoint: Option<String>,
    /// Do not ask. With an emulated AWS only.
    #[arg(long, requires = "endpoint")]
    yes: bool,
    /// A zip with Terraform for linux/amd64 that the builds download, in place of this machine's own.
    #[arg(long, requires = "terraform_sha256")]
    terraform_url: Option<String>,
    /// Its SHA-256.
    #[arg(long, requires = "terraform_url")]
    terraform_sha256: Option<String>,
}

/// What a run has; shared with the task that may panic.
struct Run {
    access: Arc<Access>,
    identity: Identity,
    record: Record,
    stop: Stop,
    id: String,
    clock: Instant,
    keep: bool,
    download: Option<Download>,
    program: Option<PathBuf>,
}

impl Aws {
    pub fn run(self) -> Result<()> {
        environment::shed()?;
        machine::check()?;
        machine::setup()?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.start())
    }

    async fn start(self) -> Result<()> {
        let region = self.region.clone().context("--region is needed")?;
        let emulated = match self.endpoint.as_deref() {
            Some("sandbox") => Some(Emulated::start().await?),
            _ => None,
        };
        let credentials = match (&emulated, &self.endpoint, &self.profile) {
            (Some(emulated), ..) => Credentials::Emulated(emulated.url()),
            (None, Some(url), _) => Credentials::Emulated(on_this_machine(url)?.to_owned()),
            (None, None, Some(profile)) => Credentials::Profile(profile.clone()),
            (None, None, None) => bail!("--profile is needed"),
        };
        let access = Arc::new(Access::open(credentials, &region).await?);
        let ended = self.with(access).await;
        if let Some(emulated) = emulated {
            emulated.stop().await;
        }
        ended
    }

    async fn with(self, access: Arc<Access>) -> Result<()> {
        let clock = Instant::now();
        let say = |what: &str| eprintln!("aws: [{:>4} s] {what}", clock.elapsed().as_secs());
        let identity = guard::identity(&access).await?;
        access.bind(&identity.site)?;
        let record = Record::open(&identity.site)?;
        let unfinished = record.unfinished()?;
        if let Some(Noted { run, site }) = &unfinished {
            is_there(site, &identity.site, &access.teardown())?;
            say(&format!("the run {run} was begun here and not torn down; that comes first"));
            let runs = Runs::from([run.clone()]);
            Teardown { access: &access, record: &record, noted: Some(run), runs: &runs, say: &say }.run().await?;
        }
        if self.teardown {
            return if unfinished.is_some() {
                Ok(())
            } else {
                self.teardown_unknown(&access, &identity, &record).await
            };
        }
        machine::build_operator()?;
        let (download, program) = self.check(&access, &identity).await?;
        let id = Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
        println!("{}", guard::plan(&identity, &id));
        if self.yes {
            say("skipped: asking; this is an emulated AWS");
        } else {
            guard::ask(&identity.site.account, "Shall it?")?;
            // A person may take their time, and others may have begun meanwhile.
            self.check(&access, &identity).await?;
        }
        let stop = Stop::listen()?;
        let keep = self.keep;
        let run = Arc::new(Run { access, identity, record, stop, id, clock, keep, download, program });
        let noted = Noted { run: run.id.clone(), site: run.identity.site.clone() };
        run.record.begin(&noted, &machine::root().join("terraform"))?;
        let outcomes = played(&run, self.json.as_deref()).await;
        let torn_down = run.tear_down().await;
        let again = run.access.teardown();
        match (outcomes, torn_down) {
            (Ok(outcomes), Ok(())) => outcomes.all_recovered(),
            (Err(error), Ok(())) => Err(error),
            (Ok(_), Err(error)) => Err(error.context(format!("the teardown; again with: {again}"))),
            (Err(first), Err(error)) => {
                Err(error.context(format!("the teardown, after: {first:#}; again with: {again}")))
            }
        }
    }

    /// What is needed for the builds' Terraform, once nothing speaks against a run.
    async fn check(&self, access: &Arc<Access>, identity: &Identity) -> Result<(Option<Download>, Option<PathBuf>)> {
        let mut refusals: Vec<String> = identity.refusal().into_iter().collect();
        refusals.extend(access.lasts().refusal(Timestamp::now()));
        let download = match (&self.terraform_url, &self.terraform_sha256) {
            (Some(url), Some(sha256)) => Some(Download { url: url.clone(), sha256: sha256.clone() }),
            _ => None,
        };
        let program = if download.is_some() { Ok(None) } else { guard::terraform().await.map(Some) };
        let program = program.unwrap_or_else(|refusal| {
            refusals.push(refusal);
            None
        });
        refusals.extend(guard::names(access).await?);
        guard::refuse(&refusals, &identity.site, &access.teardown())?;
        Ok((download, program))
    }

    /// There is no record: what has our names may be of another machine's run, or nobody's. What goes is what carries a tag
    /// that was listed, and agreed to with the account's id.
    async fn teardown_unknown(&self, access: &Arc<Access>, identity: &Identity, record: &Record) -> Result<()> {
        let survey = found::survey(access, None).await?;
        let (account, region) = (&identity.site.account, &identity.site.region);
        let lines: Vec<String> = survey.there.iter().map(ToString::to_string).collect();
        let lines = [lines, survey.unknown.iter().map(|arn| format!("{arn}, tagged by a run")).collect()].concat();
        if lines.is_empty() {
            println!("there is nothing of a run in {account} {region}");
            return record.end();
        }
        println!("This has names or tags of a run, of which nothing is noted here:\n  {}", lines.join("\n  "));
        let runs = survey.runs();
        if runs.is_empty() {
            println!("None of it has the tag of a run and can be removed by it: it is another's and stays.");
            return record.end();
        }
        let named = runs.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        println!("What is of the runs {named} would be removed; see that none of them is under way. The rest stays.");
        if !self.yes {
            guard::ask(account, "Shall it be removed?")?;
        }
        let say = |what: &str| eprintln!("aws: {what}");
        Teardown { access, record, noted: None, runs: &runs, say: &say }.run().await
    }
}

/// The scenarios, in a task of their own: a panic in it ends in the teardown, too.
async fn played(run: &Arc<Run>, json: Option<&std::path::Path>) -> Result<Outcomes> {
    let task = Arc::clone(run);
    let outcomes = match tokio::spawn(async move { task.make_and_play().await }).await {
        Ok(outcomes) => outcomes?,
        Err(panic) => bail!("the run broke off: {panic}"),
    };
    if let Some(file) = json {
        outcomes.write(file)?;
    }
    Ok(outcomes)
}

impl Run {
    async fn make_and_play(&self) -> Result<Outcomes> {
        let say = |what: &str| self.say(what);
        let maker = Maker {
            access: &self.access,
            identity: &self.identity,
            record: &self.record,
            run: &self.id,
            stop: &self.stop,
            say: &say,
        };
        let why = format!("the scenarios are not over after {} min", session::PLAY.as_secs() / 60);
        let limit = self.stop.after(session::PLAY, why);
        maker.trail().await?;
        let download = maker.source(self.download.clone(), self.program.as_deref()).await?;
        let (outputs, network) = maker.install(&download).await?;
        maker.publish(&network).await?;
        maker.workspaces(&outputs).await?;
        maker.inventories().await?;
        say("starting the control plane and the operator under its own role in AWS");
        let stage = self.stop.or(Stage::open(&self.access, &self.identity.site)).await?;
        let operator = self.stop.or(stage.operator(&outputs, self.record.folder(), &say)).await?;
        let outcomes = stage.play(&self.stop, &say).await?;
        println!("\n$ kubectl get incidents\n{}", stage.incidents()?);
        outcomes.print();
        drop(limit);
        if self.keep {
            self.wait(&stage).await;
        }
        drop(operator);
        Ok(outcomes)
    }

    async fn wait(&self, stage: &Stage<'_>) {
        println!("\nIt is left as it is. In another shell:\n");
        println!("  export KUBECONFIG={}", stage.kubeconfig().display());
        println!("  kubectl get incidents -n {NAMESPACE} --watch\n\nctrl-c tears it down.");
        let limit = self.access.lasts().may_be_kept(Timestamp::now());
        let _limit = limit.map(|left| self.stop.after(left, "your session ends soon".to_owned()));
        self.stop.told().await;
    }

    async fn tear_down(&self) -> Result<()> {
        let say = |what: &str| self.say(what);
        if let Err(error) = self.access.sign_in_again().await {
            say(&format!("teardown: with the session that there is: {error:#}"));
        }
        let (access, record, runs) = (&self.access, &self.record, Runs::from([self.id.clone()]));
        Teardown { access, record, noted: Some(&self.id), runs: &runs, say: &say }.run().await
    }

    fn say(&self, what: &str) {
        eprintln!("aws: [{:>4} s] {what}", self.clock.elapsed().as_secs());
    }
}

/// Only an emulated AWS may go unasked, so the address must be of this machine.
fn on_this_machine(url: &str) -> Result<&str> {
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    ensure!(
        matches!(host, Some("localhost" | "127.0.0.1")),
        "--endpoint is `sandbox` or an http address on localhost; the real AWS has a --profile"
    );
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::on_this_machine;

    #[test]
    fn an_endpoint_elsewhere_is_refused_since_nobody_would_be_asked() {
        assert!(on_this_machine("http://localhost:4566").is_ok());
        assert!(on_this_machine("https://sts.amazonaws.com").is_err());
        assert!(on_this_machine("http://localhost.example.com").is_err());
        assert!(on_this_machine("http://localhost@example.com").is_err());
    }
}
