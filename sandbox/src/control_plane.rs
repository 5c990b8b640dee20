//! etcd and kube-apiserver, with RBAC and admission policies really enforced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::OnceCell;

use crate::incidents::Incidents;
use crate::parts;
use crate::process::{Process, Scratch, free_port};

const ADMIN_TOKEN: &str = "sandbox-admin";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running control plane; ends when it is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    apiserver: Mutex<Option<Process>>,
    _etcd: Process,
    port: u16,
    etcd_port: u16,
    incidents: OnceCell<Incidents>,
    folder: Scratch,
}

impl ControlPlane {
    /// Starts one, and waits until it is ready.
    pub fn start() -> Result<Self> {
        let folder = Scratch::new("reforge-control-plane-")?;
        let (port, etcd_port, peer_port) = (free_port()?, free_port()?, free_port()?);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let data = folder.path().join("etcd");
        let args = [
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={}", url(etcd_port)),
            format!("--advertise-client-urls={}", url(etcd_port)),
            format!("--listen-peer-urls={}", url(peer_port)),
            format!("--initial-advertise-peer-urls={}", url(peer_port)),
            format!("--initial-cluster=default={}", url(peer_port)),
            "--unsafe-no-fsync".to_owned(),
            // The most that etcd is recommended with (etcd documentation, "System limits"): a year of Incidents has room.
            "--quota-backend-bytes=8589934592".to_owned(),
        ];
        let etcd = Process::start(&parts::etcd()?, &args, &[], &folder.path().join("etcd.log"))?;
        let key = rcgen::KeyPair::generate().context("making the key for ServiceAccount tokens")?;
        fs::write(folder.path().join("sa.key"), key.serialize_pem())?;
        fs::write(folder.path().join("sa.pub"), key.public_key_pem())?;
        fs::write(folder.path().join("tokens.csv"), format!("{ADMIN_TOKEN},sandbox-admin,1,\"system:masters\"\n"))?;
        let plane =
            Self { apiserver: Mutex::new(None), _etcd: etcd, port, etcd_port, incidents: OnceCell::new(), folder };
        plane.write_kubeconfig("admin", ADMIN_TOKEN)?;
        plane.start_apiserver()?;
        Ok(plane)
    }

    /// Starts the apiserver, again if it was stopped, with what it had stored.
    pub fn start_apiserver(&self) -> Result<()> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let args = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            format!("--secure-port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--cert-dir={}", at("certs")),
            format!("--service-account-key-file={}", at("sa.pub")),
            format!("--service-account-signing-key-file={}", at("sa.key")),
            "--service-account-issuer=https://sandbox.invalid".to_owned(),
            format!("--token-auth-file={}", at("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
        ];
        let log = self.folder.path().join("apiserver.log");
        *self.apiserver() = Some(Process::start(&parts::apiserver()?, &args, &[], &log)?);
        let start = Instant::now();
        loop {
            let ready = self.kubectl(&["get", "--raw", "/readyz", "--request-timeout=2s"]);
            match ready {
                Ok(_) => return Ok(()),
                Err(error)
                    if start.elapsed() > PATIENCE || self.apiserver().as_mut().is_some_and(Process::has_ended) =>
                {
                    let log = fs::read_to_string(&log).unwrap_or_default();
                    let lines: Vec<&str> = log.lines().collect();
                    let end = lines[lines.len().saturating_sub(20)..].join("\n");
                    bail!("kube-apiserver is not ready after {:.0?}: {error}\n{end}", start.elapsed())
                }
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Stops the apiserver; etcd keeps what it has stored.
    pub fn stop_apiserver(&self) {
        *self.apiserver() = None;
    }

    fn apiserver(&self) -> MutexGuard<'_, Option<Process>> {
        self.apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The apiserver's process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn apiserver_pid(&self) -> Result<u32> {
        self.apiserver().as_ref().context("the apiserver does not run")?.pid()
    }

    /// The folder of this control plane: logs, keys, kubeconfigs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The kubeconfig of a cluster administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("admin.kubeconfig")
    }

    /// A kubeconfig for a ServiceAccount, by a token that the apiserver issues.
    pub fn kubeconfig_of(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        let token = self.kubectl(&["create", "token", service_account, "-n", namespace, "--duration=24h"])?;
        self.write_kubeconfig(&format!("{namespace}-{service_account}"), token.trim())
    }

    /// Runs kubectl as the administrator, and gives back what it printed.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl_with("", args)
    }

    /// Runs kubectl with something on its standard input.
    pub fn kubectl_with(&self, input: &str, args: &[&str]) -> Result<String> {
        let file = self.folder.path().join(format!("input-{}", uuid::Uuid::new_v4()));
        fs::write(&file, input)?;
        let output = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(args)
            .stdin(fs::File::open(&file)?)
            .output()
            .context("kubectl is not on the PATH")?;
        fs::remove_file(&file)?;
        if !output.status.success() {
            bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The Incidents, as the administrator sees them.
    ///
    /// # Errors
    /// When the apiserver can't be reached by its kubeconfig.
    pub async fn incidents(&self) -> Result<&Incidents> {
        self.incidents.get_or_try_init(async || Incidents::at(&self.kubeconfig()).await).await
    }

    fn write_kubeconfig(&self, name: &str, token: &str) -> Result<PathBuf> {
        let file = self.folder.path().join(format!("{name}.kubeconfig"));
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "insecure-skip-tls-verify": true,
            }}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": name}}],
        });
        fs::write(&file, config.to_string())?;
        Ok(file)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.stop_apiserver();
    }
}
