//! `reforge run`: the operator.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Config};
use reforge_api::Time;
use reforge_aws::SdkConfig;
use reforge_aws::accounts::{self, Accounts};
use reforge_aws::classifier::Classifier;
use reforge_aws::clients::Clients;
use reforge_aws::parameters::Parameters;
use reforge_aws::queue::Queue;
use reforge_aws::topics::Topics;
use reforge_cluster::leader::{self, Candidate};
use reforge_cluster::{Guard, Holds, Incidents, Notes, Places, Policies, Workspaces};
use reforge_core::catalog::Catalog;
use reforge_core::index::Index;
use reforge_core::intake::plumbing::Plumbing;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::intake::Intake;
use crate::intake::queue::Receiver;
use crate::lifecycle::asked::Asked;
use crate::lifecycle::controller::{self, Context};
use crate::lifecycle::policies;
use crate::notify::Notifier;
use crate::runtime::gate;
use crate::runtime::http::{self, Health};
use crate::runtime::metrics::Metrics;
use crate::runtime::settings::Settings;
use crate::runtime::telemetry::{self, LogFormat};
use crate::watch::canary::Canary;
use crate::watch::retention;
use crate::watch::sweep::Sweep;

use super::vital::Vital;

/// Take events from the queue, and take Incidents to their end.
///
/// AWS and Kubernetes are reached as their own tools reach them: AWS by the environment, the shared files, the pod's
/// identity; Kubernetes by KUBECONFIG or the pod's ServiceAccount. SIGTERM or ctrl-c stops receiving, finishes what is
/// in hand and gives the leadership back.
#[derive(Debug, Args)]
pub struct Run {
    /// The settings, a YAML file; docs/settings.md lists them.
    #[arg(long, env = "REFORGE_SETTINGS", default_value = "/etc/reforge/settings.yaml")]
    settings: PathBuf,
    /// The operator's own namespace: where its leases are.
    #[arg(long, env = "POD_NAMESPACE", default_value = "reforge")]
    namespace: String,
    /// What this replica is called in leases and Events; must differ between replicas.
    #[arg(long, env = "POD_NAME", default_value = "reforge")]
    identity: String,
    /// Where probes and metrics are served.
    #[arg(long, env = "REFORGE_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The form of the log.
    #[arg(long, env = "REFORGE_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,
}

impl Run {
    /// Runs until it is told to stop.
    pub fn run(self) -> Result<()> {
        telemetry::start(self.log_format);
        let settings = Settings::load(&self.settings)?;
        // kube and the AWS SDK could each bring their own; the first one wins.
        if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
            tracing::debug!("a rustls crypto provider was installed before");
        }
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(operate(self, settings))
    }
}

async fn operate(args: Run, settings: Settings) -> Result<()> {
    let catalog = Arc::new(Catalog::with(&settings.catalog).context("the catalogue with settings.catalog")?);
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let client = client().await.context("finding the apiserver; is KUBECONFIG right?")?;
    let aws = accounts::own(Some(settings.region.clone())).await;
    let metrics = Metrics::default();
    let vital = Vital::new(stop.clone());

    let queue = Queue::new(&aws, &settings.queue_url, &settings.dead_letter_queue_url);
    let receiver = Receiver::new(queue, metrics.clone());
    let open = watch::Sender::new(false);
    let health = Health { ended: vital.ended(), open: open.subscribe(), queue: receiver.state() };
    vital.spawn("probes and metrics", http::serve(args.listen, health, metrics.registry(), stop.clone()));

    let (incidents, watching) = Incidents::watch(client.clone(), stop.clone());
    vital.spawn("the watch of Incidents", endless(watching));
    let (policies, watching) = Policies::watch(client.clone(), incidents.clone(), stop.clone());
    vital.spawn("the watch of policies", endless(watching));
    let known = async {
        tokio::join!(policies.ready(), incidents.ready());
        first_start(&client, &args.namespace).await
    };
    let Some(since) = stop.run_until_cancelled(known).await else {
        vital.wait().await;
        return vital.outcome();
    };
    // A lease that is made anew forgets no Incident: an operator was here before the oldest that there is.
    let oldest = incidents.look(Index::oldest);
    let plumbing = settings.plumbing(&args.namespace, oldest.map_or(since, |oldest| oldest.min(since)));
    open.send_replace(true);
    vital.spawn("the gate of intake", endless(gate::keep(client.clone(), open.clone(), stop.clone())));

    let accounts = Arc::new(Accounts::new(aws.clone(), settings.home(), settings.accounts.clone()));
    let clients = Arc::new(Clients::new(accounts.clone()));
    let asked = Arc::new(Asked(clients.clone()));
    let workspaces = Workspaces::new(client.clone(), &args.namespace, asked);
    let intake = Arc::new(Intake {
        client: client.clone(),
        policies: policies.clone(),
        incidents: incidents.clone(),
        workspaces: workspaces.clone(),
        catalog: catalog.clone(),
        grants: settings.grants(),
        plumbing: plumbing.clone(),
        recovery_roles: settings.recovery_roles.clone(),
        metrics: metrics.clone(),
        open: open.clone(),
    });
    let receiving = receiver.run(open.subscribe(), stop.clone(), {
        let intake = intake.clone();
        move |body| intake.clone().handle(body)
    });
    vital.spawn("intake", endless(receiving));

    let leads = watch::Sender::new(false);
    let watching = Watching {
        parameters: Parameters::new(&aws),
        intake,
        accounts,
        incidents: incidents.clone(),
        notes: Notes::new(client.clone(), &args.namespace),
    };
    let (holds, watching_holds) = Holds::watch(client.clone(), &args.namespace, stop.clone());
    vital.spawn("the watch of holds", endless(watching_holds));
    let cluster = Cluster { client: client.clone(), policies, incidents, holds, workspaces };
    let ctx = Arc::new(context(&args, settings, cluster, (&aws, clients), (catalog, plumbing), metrics.clone()));
    let telling = vital.outliving("telling people", endless(ctx.notifier.deliver(stop.clone())), stop.clone());
    vital.spawn("the leader's work", lead(ctx, Arc::new(watching), leads.subscribe(), stop.clone()));
    let candidate = Candidate::new(&args.namespace, &args.identity);
    // The lease is kept until the work is done, and given back after.
    let done = CancellationToken::new();
    let electing = {
        let done = done.clone();
        let too_old = move |is: bool| {
            metrics.too_old_to_lead.set(i64::from(is));
        };
        async move { leader::elect(client, &candidate, too_old, leads, done).await }
    };
    let election = vital.outliving("the election", endless(electing), done.clone());

    vital.wait().await;
    done.cancel();
    election.await.context("waiting for the lease to be given back")?;
    // Whoever leads next need not wait for what is still to be said.
    telling.await.context("waiting for people to be told")?;
    vital.outcome()
}

/// A client that calls once. kube's own would call fifteen times when the apiserver wants fewer calls, the first of them within
/// milliseconds; when it is called again is decided by whoever calls.
async fn client() -> Result<Client> {
    let mut config = Config::infer().await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// A task that knows no error.
async fn endless(task: impl Future<Output = ()>) -> Result<(), Infallible> {
    task.await;
    Ok(())
}

/// Asked until the apiserver answers: without it nothing is received.
async fn first_start(client: &Client, namespace: &str) -> Time {
    loop {
        match leader::first_start(client.clone(), namespace).await {
            Ok(since) => return since,
            Err(error) => {
                tracing::warn!(%error, "the leader's lease says since when there is an operator; it is asked again");
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// What is known of the cluster, and what is written there.
struct Cluster {
    client: Client,
    policies: Policies,
    incidents: Incidents,
    holds: Holds,
    workspaces: Workspaces,
}

fn context(
    args: &Run,
    settings: Settings,
    cluster: Cluster,
    (aws, clients): (&SdkConfig, Arc<Clients>),
    (catalog, plumbing): (Arc<Catalog>, Plumbing),
    metrics: Metrics,
) -> Context {
    let Cluster { client, policies, incidents, holds, workspaces } = cluster;
    let reporter = Reporter { controller: "reforge".into(), instance: Some(args.identity.clone()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let (topic, name) = (settings.topic_arn.clone(), settings.cluster_name.clone());
    Context {
        places: Places::new(client.clone(), &args.namespace, incidents.clone()),
        policies,
        incidents,
        catalog,
        plumbing,
        guard: Guard::new(client.clone(), settings.admission.clone()),
        holds,
        workspaces,
        clients,
        classifier: Classifier::new(aws, settings.classifier.clone()),
        notifier: Notifier::new(Topics::new(aws), recorder, topic, name, metrics.clone()),
        metrics,
        settings,
        client,
    }
}

/// What the leader looks for beside the queue.
struct Watching {
    parameters: Parameters,
    intake: Arc<Intake>,
    accounts: Arc<Accounts>,
    incidents: Incidents,
    notes: Notes,
}

impl Watching {
    /// Where the settings ask for it.
    fn sweep(&self, settings: &Settings) -> Option<Sweep> {
        settings.sweep.clone().map(|sweep| Sweep {
            intake: self.intake.clone(),
            accounts: self.accounts.clone(),
            notes: self.notes.clone(),
            grants: settings.grants(),
            settings: sweep,
        })
    }

    /// Where the settings ask for them.
    fn canary(&self, settings: &Settings) -> Option<Canary> {
        settings.canary.clone().map(|canary| Canary {
            parameters: self.parameters.clone(),
            intake: self.intake.clone(),
            incidents: self.incidents.clone(),
            notes: self.notes.clone(),
            settings: canary,
        })
    }
}

/// Works while this replica leads, from scratch each time.
///
/// # Errors
/// When a part of the work ends before the term does: the others are ended, too.
async fn lead(
    ctx: Arc<Context>,
    watching: Arc<Watching>,
    mut leads: watch::Receiver<bool>,
    stop: CancellationToken,
) -> Result<()> {
    loop {
        let elected = stop.run_until_cancelled(leads.wait_for(|leads| *leads)).await.map(|r| r.is_ok());
        if elected != Some(true) {
            return Ok(());
        }
        let term = CancellationToken::new();
        let mut work = JoinSet::new();
        work.spawn(named("working on Incidents", controller::run(ctx.clone(), term.clone())));
        work.spawn(named("working on policies", policies::run(ctx.clone(), term.clone())));
        if let Some(sweep) = watching.sweep(&ctx.settings) {
            work.spawn(named("the sweep", sweep.run(term.clone())));
        }
        if let Some(canary) = watching.canary(&ctx.settings) {
            work.spawn(named("canaries", canary.run(term.clone())));
        }
        let notes = watching.notes.clone();
        work.spawn(named("deleting what was kept for long enough", retention::run(ctx.clone(), notes, term.clone())));
        let (ended, lost) = tokio::select! {
            ended = work.join_next() => (ended, false),
            _ = leads.wait_for(|leads| !*leads) => (None, true),
            () = stop.cancelled() => (None, false),
        };
        term.cancel();
        if lost {
            // A reconcile must not outlive the lease; what it has written carries its resourceVersion.
            work.abort_all();
        }
        while work.join_next().await.is_some() {}
        match ended {
            Some(Ok(what)) => bail!("{what} has ended"),
            Some(Err(error)) => return Err(error).context("a part of it ended badly"),
            None => {}
        }
    }
}

async fn named(what: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    what
}

fn stop_on_signal(stop: CancellationToken) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is in hand is finished");
        stop.cancel();
        // A second request, or too long a wait, ends it; nothing is lost by that.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(Duration::from_secs(25)) => {}
        }
        std::process::exit(1);
    });
    Ok(())
}
