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

impl Operator {
    /// Starts `program run` under a kubeconfig with settings, and waits until it is ready.
    pub async fn start(
        sandbox: &Sandbox,
        program: &Path,
        kubeconfig: &Path,
        settings: &serde_json::Value,
        name: &str,
    ) -> Result<Self> {
        let mut operator = Self::spawn(sandbox, program, kubeconfig, settings, name)?;
        let start = Instant::now();
        while !operator.is_ready().await {
            if start.elapsed() > PATIENCE || operator.has_ended() {
                bail!("the operator is not ready after {:.0?}:\n{}", start.elapsed(), tail(&operator.log));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(operator)
    }

    /// The same, without waiting for anything.
    pub fn spawn(
        sandbox: &Sandbox,
        program: &Path,
        kubeconfig: &Path,
        settings: &serde_json::Value,
        name: &str,
    ) -> Result<Self> {
        let port = free_port()?;
        let file = sandbox.folder().join(format!("settings-{name}.yaml"));
        fs::write(&file, settings.to_string())?;
        let log = sandbox.folder().join(format!("{name}.log"));
        let mut env = sandbox.environment(Caller::Operator);
        env.push(("KUBECONFIG".to_owned(), kubeconfig.display().to_string()));
        let env: Vec<(&str, String)> = env.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let args = [
            "run".to_owned(),
            format!("--settings={}", file.display()),
            format!("--namespace={NAMESPACE}"),
            format!("--identity={name}"),
            format!("--listen=127.0.0.1:{port}"),
        ];
        Ok(Self { process: Process::start(program, &args, &env, &log)?, port, log })
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Kills it at once, as a node's failure would.
    pub fn kill(self) -> Result<()> {
        self.process.kill()
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
