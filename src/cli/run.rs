//! `reforge run`: the operator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use clap::Args;
use futures::StreamExt;
use kube::api::Api;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use reforge_api::{Incident, RecoveryPolicy, Time};
use reforge_core::catalog::Catalog;
use reforge_core::intake::plumbing::Plumbing;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::classify::Classifier;
use crate::intake::Intake;
use crate::intake::queue::Queue;
use crate::lifecycle::controller::{self, Context};
use crate::lifecycle::guard::Guard;
use crate::lifecycle::holds::Holds;
use crate::lifecycle::policies;
use crate::lifecycle::reach::Reach;
use crate::lifecycle::workspace::Workspaces;
use crate::notify::Notifier;
use crate::runtime::accounts::Accounts;
use crate::runtime::http::{self, Readiness};
use crate::runtime::metrics::Metrics;
use crate::runtime::settings::Settings;
use crate::runtime::telemetry::{self, LogFormat};
use crate::runtime::{gate, leader};
use crate::watch::Notes;
use crate::watch::canary::Canary;
use crate::watch::sweep::Sweep;

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
    let client = Client::try_default().await.context("finding the apiserver; is KUBECONFIG right?")?;
    let aws = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(settings.region.clone())).load().await;
    let metrics = Metrics::default();
    let tasks = TaskTracker::new();

    let sqs = aws_sdk_sqs::Client::new(&aws);
    let queue = Queue::new(sqs, &settings.queue_url, &settings.dead_letter_queue_url, metrics.clone());
    let open = watch::Sender::new(false);
    let readiness = Readiness { open: open.subscribe(), queue: queue.state() };
    tasks.spawn(http::serve(args.listen, readiness, metrics.registry(), stop.clone()));

    let policies = cache::<RecoveryPolicy>(&client, &tasks, &stop);
    let incidents = cache::<Incident>(&client, &tasks, &stop);
    let synced = async { tokio::join!(policies.wait_until_ready(), incidents.wait_until_ready()) };
    let Some(ready) = stop.run_until_cancelled(synced).await else { return Ok(()) };
    ready.0.context("the cache of policies ended")?;
    ready.1.context("the cache of Incidents ended")?;
    let Some(since) = stop.run_until_cancelled(first_start(&client, &args.namespace)).await else { return Ok(()) };
    // A lease that is made anew forgets no Incident: an operator was here before the oldest that there is.
    let oldest =
        incidents.state().iter().filter_map(|i| i.creation_timestamp()).map(|t| Time(t.0.as_millisecond())).min();
    let plumbing = settings.plumbing(&args.namespace, oldest.map_or(since, |oldest| oldest.min(since)));
    open.send_replace(true);
    tasks.spawn(gate::keep(client.clone(), open.clone(), stop.clone()));

    let intake = Arc::new(Intake {
        client: client.clone(),
        policies: policies.clone(),
        incidents: incidents.clone(),
        catalog: catalog.clone(),
        grants: settings.grants(),
        plumbing: plumbing.clone(),
        recovery_roles: settings.recovery_roles.clone(),
        metrics: metrics.clone(),
        open: open.clone(),
    });
    let receiving = queue.run(open.subscribe(), stop.clone(), {
        let intake = intake.clone();
        move |body| intake.clone().handle(body)
    });
    tasks.spawn(receiving);

    let leads = watch::Sender::new(false);
    let accounts = Arc::new(Accounts::new(aws.clone(), settings.home(), settings.accounts.clone()));
    let holds = Holds::watch(client.clone(), &args.namespace, stop.clone());
    let watching = Watching {
        ssm: aws_sdk_ssm::Client::new(&aws),
        intake,
        accounts: accounts.clone(),
        incidents: incidents.clone(),
        notes: Notes::new(client.clone(), &args.namespace),
    };
    let reach = Arc::new(Reach::new(accounts));
    let stores = (policies, incidents, holds);
    let ctx = Arc::new(context(&args, settings, &client, &aws, (stores, reach), (catalog, plumbing), metrics));
    let telling = tokio::spawn(ctx.notifier.deliver(stop.clone()));
    tasks.spawn(lead(ctx, Arc::new(watching), leads.subscribe(), stop.clone()));
    let (namespace, identity) = (args.namespace.clone(), args.identity.clone());
    // The lease is kept until the work is done, and given back after.
    let done = CancellationToken::new();
    let election = tokio::spawn({
        let (client, done) = (client.clone(), done.clone());
        async move { leader::elect(client, &namespace, &identity, leads, done).await }
    });

    tasks.close();
    tasks.wait().await;
    done.cancel();
    election.await.context("the election ended badly")?;
    // Whoever leads next need not wait for what is still to be said.
    telling.await.context("the task that tells people ended badly")
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

fn context(
    args: &Run,
    settings: Settings,
    client: &Client,
    aws: &SdkConfig,
    ((policies, incidents, holds), reach): ((Store<RecoveryPolicy>, Store<Incident>, Holds), Arc<Reach>),
    (catalog, plumbing): (Arc<Catalog>, Plumbing),
    metrics: Metrics,
) -> Context {
    let reporter = Reporter { controller: "reforge".into(), instance: Some(args.identity.clone()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let sns = aws_sdk_sns::Client::new(aws);
    let (topic, cluster) = (settings.topic_arn.clone(), settings.cluster_name.clone());
    Context {
        client: client.clone(),
        policies,
        incidents,
        catalog,
        plumbing,
        guard: Guard::new(client.clone(), settings.admission.clone()),
        holds,
        workspaces: Workspaces::new(client.clone(), &args.namespace, reach.clone()),
        reach,
        classifier: Classifier::new(aws_sdk_bedrockruntime::Client::new(aws), settings.classifier.clone()),
        notifier: Notifier::new(sns, recorder, topic, cluster, metrics.clone()),
        metrics,
        settings,
    }
}

/// What the leader looks for beside the queue.
struct Watching {
    ssm: aws_sdk_ssm::Client,
    intake: Arc<Intake>,
    accounts: Arc<Accounts>,
    incidents: Store<Incident>,
    notes: Notes,
}

impl Watching {
    /// Until `stop`, what the settings ask for.
    async fn run(&self, settings: &Settings, stop: CancellationToken) {
        let sweep = settings.sweep.clone().map(|sweep| Sweep {
            intake: self.intake.clone(),
            accounts: self.accounts.clone(),
            notes: self.notes.clone(),
            grants: settings.grants(),
            settings: sweep,
        });
        let canary = settings.canary.clone().map(|canary| Canary {
            ssm: self.ssm.clone(),
            intake: self.intake.clone(),
            incidents: self.incidents.clone(),
            notes: self.notes.clone(),
            settings: canary,
        });
        let sweeping = async {
            if let Some(sweep) = sweep {
                sweep.run(stop.clone()).await;
            }
        };
        let singing = async {
            if let Some(canary) = canary {
                canary.run(stop.clone()).await;
            }
        };
        tokio::join!(sweeping, singing);
    }
}

/// Works while this replica leads, from scratch each time.
async fn lead(ctx: Arc<Context>, watching: Arc<Watching>, mut leads: watch::Receiver<bool>, stop: CancellationToken) {
    loop {
        let elected = stop.run_until_cancelled(leads.wait_for(|leads| *leads)).await.map(|r| r.is_ok());
        if elected != Some(true) {
            return;
        }
        let term = CancellationToken::new();
        let work = tokio::spawn({
            let (ctx, watching, term) = (ctx.clone(), watching.clone(), term.clone());
            async move {
                let ended = || term.clone().cancelled_owned();
                tokio::join!(
                    controller::run(ctx.clone(), ended()),
                    policies::run(ctx.clone(), ended()),
                    watching.run(&ctx.settings, term.clone())
                );
            }
        });
        let lost = tokio::select! {
            _ = leads.wait_for(|leads| !*leads) => true,
            () = stop.cancelled() => false,
        };
        term.cancel();
        if lost {
            // A reconcile must not outlive the lease; what it has written carries its resourceVersion.
            work.abort();
        }
        // An aborted task ends with an error that says so.
        let _ = work.await;
    }
}

/// A cache of every object of a kind, kept until `stop`.
fn cache<K>(client: &Client, tasks: &TaskTracker, stop: &CancellationToken) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let stream = watcher(Api::<K>::all(client.clone()), watcher::Config::default()).default_backoff();
    let stop = stop.clone();
    tasks.spawn(async move {
        let mut stream = pin!(reflector::reflector(writer, stream));
        while let Some(Some(event)) = stop.run_until_cancelled(stream.next()).await {
            if let Err(error) = event {
                tracing::warn!(%error, kind = std::any::type_name::<K>(), "watching; it goes on");
            }
        }
    });
    reader
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
