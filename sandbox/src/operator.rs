//! The operator as a child process, as its pod would run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::install::{Caller, NAMESPACE, Sandbox, tail};
use crate::process::{Process, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running operator; ends when it is dropped.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    port: u16,
    log: PathBuf,
}

/// How an operator is started.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program.
    pub program: &'a Path,
    /// Where its settings and its log go.
    pub folder: &'a Path,
    /// What AWS tools need in their environment.
    pub environment: Vec<(String, String)>,
    /// What must not be inherited: it would go before what `environment` says.
    pub cleared: &'a [&'a str],
    /// Who it is in Kubernetes.
    pub kubeconfig: &'a Path,
    /// Its settings.
    pub settings: &'a serde_json::Value,
    /// Its identity among replicas.
    pub name: &'a str,
}

impl Operator {
    /// Starts `program run` under a kubeconfig with settings, and waits until it is ready.
    pub async fn start(
        sandbox: &Sandbox,
        program: &Path,
        kubeconfig: &Path,
        settings: &serde_json::Value,
        name: &str,
    ) -> Result<Self> {
        Self::spawn(sandbox, program, kubeconfig, settings, name)?.ready().await
    }

    /// The same, without waiting for anything.
    pub fn spawn(
        sandbox: &Sandbox,
        program: &Path,
        kubeconfig: &Path,
        settings: &serde_json::Value,
        name: &str,
    ) -> Result<Self> {
        let (environment, folder) = (sandbox.environment(Caller::Operator), sandbox.folder());
        Self::spawn_as(&Launch { program, folder, environment, cleared: &[], kubeconfig, settings, name })
    }

    /// Starts an operator on any AWS, and waits until it is ready.
    pub async fn launch(launch: &Launch<'_>) -> Result<Self> {
        Self::spawn_as(launch)?.ready().await
    }

    fn spawn_as(launch: &Launch<'_>) -> Result<Self> {
        let port = free_port()?;
        let file = launch.folder.join(format!("settings-{}.yaml", launch.name));
        fs::write(&file, launch.settings.to_string())?;
        let log = launch.folder.join(format!("{}.log", launch.name));
        let mut env: Vec<(&str, String)> = launch.environment.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        env.push(("KUBECONFIG", launch.kubeconfig.display().to_string()));
        // `env` sees both what is inherited and what is set: what is set here stays.
        let is_set = |name: &str| env.iter().any(|(set, _)| *set == name);
        let cleared = launch.cleared.iter().filter(|name| !is_set(name));
        let mut args: Vec<String> = cleared.map(|name| format!("--unset={name}")).collect();
        args.extend([
            launch.program.display().to_string(),
            "run".to_owned(),
            format!("--settings={}", file.display()),
            format!("--namespace={NAMESPACE}"),
            format!("--identity={}", launch.name),
            format!("--listen=127.0.0.1:{port}"),
        ]);
        Ok(Self { process: Process::start(Path::new("env"), &args, &env, &log)?, port, log })
    }

    async fn ready(mut self) -> Result<Self> {
        let start = Instant::now();
        while !self.is_ready().await {
            if start.elapsed() > PATIENCE || self.has_ended() {
                bail!("the operator is not ready after {:.0?}:\n{}", start.elapsed(), tail(&self.log));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(self)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Kills it at once, as a node's failure would.
    pub fn kill(self) -> Result<()> {
        self.process.kill()
    }

    /// Its process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> Result<u32> {
        self.process.pid()
    }

    /// Where it serves probes and metrics, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    async fn is_ready(&self) -> bool {
        self::get(self.port, "/readyz").await.is_ok_and(|(status, _)| status == 200)
    }
}

/// What a loopback port serves at a path: the status and the text.
pub async fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<hyper::body::Bytes>>();
    let answer = client.get(format!("http://127.0.0.1:{port}{path}").parse()?).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
