//! The edge: one HTTP server in front of the emulated AWS, through which all AWS calls of the sandbox go.
//!
//! It adds what the emulator lacks: CloudTrail records, their events and their lookup, builds that really run, deletions that take time, events of
//! instances' states, a scripted model, principals, and faults. Everything else passes unchanged. A request goes through `proxy` from top to bottom:
//! count and faults -> `model` -> `iam` -> `limits` -> `lookup` -> `bedrock` -> `cloud_control` -> `codebuild` -> `slow` -> `long_poll` -> the emulator (`upstream`) -> `cloudtrail` -> `eventbridge`.
//! What `model` knows of a call is held against its answer, too.
//! The edge keeps its state in memory and knows nothing of Reforge beyond the names of three access keys (`principal`) and what scripted builds
//! publish (`codebuild::scripted`).

mod aimed;
mod bedrock;
mod call;
mod cloud_control;
mod cloudtrail;
mod codebuild;
mod eventbridge;
mod fan_out;
mod faults;
mod http;
mod iam;
mod instance_states;
mod limits;
mod long_poll;
mod lookup;
mod model;
mod principal;
mod proxy;
mod slow;
mod times;
mod upstream;

pub use aimed::{Aim, Counted, Manner};
pub use codebuild::{BuildInfo, Ending, Kind, Mode, PhaseInfo, Resource, Script};
pub use faults::{Delivery, Faults, ModelMode};
pub use iam::{ActorReport, Denied, IamReport, Seen};
pub use limits::rows as limit_rows;
pub use model::Input;
pub use times::Times;

use anyhow::Context as _;
use eventbridge::Event;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::Models;
use proxy::Proxy;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use upstream::{Scope, Upstream};

/// A Git server that stands in for CodeCommit and GitHub: their repositories are below `<url>/<host>/`, as in
/// `<url>/github.com/acme/infra.git`.
#[derive(Debug, Clone)]
pub struct GitHost {
    /// `https://localhost:PORT`.
    pub url: String,
    /// The file with the certificate that it is to be trusted by.
    pub certificate: PathBuf,
    /// The user and the password that it asks for, and that CodeBuild has.
    pub login: (String, String),
}

/// What an edge is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The emulator, `http://127.0.0.1:PORT`.
    pub ministack: String,
    /// Scratch folders and logs of builds go below `builds/` in it.
    pub run_dir: PathBuf,
    /// The API models that requests are held against: botocore's `data`, as [`crate::parts::api_models`] gives it.
    pub models: PathBuf,
    /// Added to the environment of every build, before the project's own variables (`TF_CLI_CONFIG_FILE`).
    pub build_env: Vec<(String, String)>,
    /// Put before `PATH` in builds.
    pub path_prefix: Vec<PathBuf>,
    /// How long things take.
    pub times: Times,
    /// Where builds have their Git sources from; without one, builds of CodeCommit and GitHub fail.
    pub git: Option<GitHost>,
    /// How many builds an account may run at once in a region.
    pub concurrent_builds: u64,
}

impl Config {
    /// The defaults: no additions to builds, the times of tests, no Git sources, 60 builds at once.
    pub fn new(ministack: impl Into<String>, run_dir: impl Into<PathBuf>, models: impl Into<PathBuf>) -> Self {
        Self {
            ministack: ministack.into(),
            run_dir: run_dir.into(),
            models: models.into(),
            build_env: Vec::new(),
            path_prefix: Vec::new(),
            times: Times::default(),
            git: None,
            concurrent_builds: limits::codebuild::CONCURRENT_BUILDS,
        }
    }
}

/// A running edge. Dropping it ends the server; [`Edge::shutdown`] also stops the builds and waits for them.
#[derive(Debug)]
pub struct Edge {
    url: String,
    proxy: Arc<Proxy>,
    /// For calls of the edge's own holder.
    client: Upstream,
    /// Aborted when dropped: the server and the delivery of events.
    tasks: JoinSet<()>,
}

impl Edge {
    /// Starts an edge on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When the run folder can't be made, there are no API models, or no port can be opened.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let builds = config.run_dir.join("builds");
        tokio::fs::create_dir_all(&builds).await.with_context(|| format!("make the folder {}", builds.display()))?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open a port for the edge")?;
        let url = format!("http://localhost:{}", listener.local_addr()?.port());
        let models = Models::open(&config.models)?;
        let (proxy, deliveries) = Proxy::new(config, &url, models);
        let proxy = Arc::new(proxy);
        let mut tasks = JoinSet::new();
        tasks.spawn(deliveries);
        tasks.spawn(serve(listener, Arc::clone(&proxy)));
        Ok(Self { client: Upstream::new(&url), url, proxy, tasks })
    }

    /// `http://localhost:PORT`: the endpoint of all AWS clients, and the `HTTP_PROXY` of those that put an account id or a bucket before the host.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The switches and counters.
    pub fn faults(&self) -> Faults {
        self.proxy.faults()
    }

    /// The builds so far, oldest first.
    pub fn builds(&self) -> Vec<BuildInfo> {
        self.proxy.codebuild().list()
    }

    /// Lets the builds of a workspace that start from now on follow a script, in place of running; None: lets them run.
    pub fn script(&self, workspace: &str, script: Option<Script>) {
        self.proxy.codebuild().script(workspace, script);
    }

    /// The CloudTrail records so far, oldest first, whether or not a rule matched them.
    pub fn records(&self) -> Vec<serde_json::Value> {
        self.proxy.trail().records().iter().cloned().collect()
    }

    /// The last CloudTrail record that is as wanted.
    pub fn last_record(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> Option<serde_json::Value> {
        self.proxy.trail().records().iter().rev().find(|record| wanted(record)).cloned()
    }

    /// What IAM was asked so far, by role and service, and what it answered.
    pub fn iam(&self) -> IamReport {
        self.proxy.iam().report()
    }

    /// The patterns of actions that a role's own policies allow, as they are written, each once.
    ///
    /// # Errors
    /// When the emulator can't be reached, or there is no such role.
    pub async fn allowed_actions(&self, role_arn: &str) -> anyhow::Result<Vec<String>> {
        self.proxy.iam().allowed_actions(role_arn).await
    }

    /// Calls an operation of a JSON protocol, in account 000000000000 and us-east-1, without a record or an event: for what
    /// is to be there before anything happens. `target` is the whole `X-Amz-Target`.
    ///
    /// # Errors
    /// When the emulator can't be reached, or refuses the call.
    pub async fn call_unheard(
        &self,
        service: &str,
        target: &str,
        input: &serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        self.proxy.upstream().call(service, target, &Scope::default(), input).await
    }

    /// Calls an operation of a JSON protocol through the edge, as whoever has this access key. `target` is the whole
    /// `X-Amz-Target`.
    ///
    /// # Errors
    /// When the edge refuses the call.
    pub async fn call(
        &self,
        access_key: &str,
        service: &str,
        target: &str,
        input: &serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        let builder = hyper::Request::post(self.client.at("/"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target);
        let reply = self
            .client
            .send((access_key, principal::DEFAULT_REGION), service, builder, input.to_string().into())
            .await?;
        anyhow::ensure!(reply.is_success(), "{target} was refused with {}: {}", reply.status, reply.text());
        Ok(reply.json_body())
    }

    /// Sends an event of AWS's own, of account 000000000000 and us-east-1, to the default bus, from now: it is delivered promptly and is in no trail.
    ///
    /// ```no_run
    /// # let edge: sandbox::edge::Edge = unimplemented!();
    /// let detail = serde_json::json!({"messageType": "ComplianceChangeNotification", "resourceId": "shop-logs"});
    /// edge.send_event("Config Rules Compliance Change", "aws.config", &[], &detail);
    /// ```
    pub fn send_event(&self, detail_type: &str, source: &str, resources: &[String], detail: &serde_json::Value) {
        let time = format!("{:.0}", jiff::Timestamp::now());
        let event = Event { detail_type, source, time: &time, resources, detail };
        self.proxy.bus().send_promptly(&Scope::default(), &event);
    }

    /// Stops all builds, waits until their processes are gone, and ends the server.
    pub async fn shutdown(mut self) {
        self.proxy.codebuild().shutdown().await;
        self.tasks.shutdown().await;
    }
}

async fn serve(listener: TcpListener, proxy: Arc<Proxy>) {
    // Connections are aborted with this task.
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the edge could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let proxy = Arc::clone(&proxy);
        connections.spawn(async move {
            let peer = peer.ip().to_string();
            let service = service_fn(move |request| {
                let (proxy, peer) = (Arc::clone(&proxy), peer.clone());
                async move { proxy.serve(request, peer).await }
            });
            if let Err(error) =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
            {
                tracing::debug!(%error, "a connection to the edge broke off");
            }
        });
    }
}
