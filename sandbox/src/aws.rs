//! The emulated AWS: ministack.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::parts;
use crate::process::{Process, Scratch, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running AWS; ends when it is dropped.
#[derive(Debug)]
pub struct Aws {
    _ministack: Process,
    port: u16,
    folder: Scratch,
}

impl Aws {
    /// Starts one, and waits until it answers.
    pub async fn start() -> Result<Self> {
        let folder = Scratch::new("reforge-aws-")?;
        let port = free_port()?;
        let env = [
            ("GATEWAY_PORT", port.to_string()),
            ("MINISTACK_HOST", "localhost".to_owned()),
            ("LOG_LEVEL", "WARNING".to_owned()),
            ("S3_DATA_DIR", folder.path().join("s3").display().to_string()),
        ];
        let log = folder.path().join("ministack.log");
        let args = ["-m".to_owned(), "ministack".to_owned()];
        let ministack = Process::start(&parts::ministack()?, &args, &env, &log)?;
        let aws = Self { _ministack: ministack, port, folder };
        let start = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if start.elapsed() > PATIENCE {
                bail!("ministack does not answer: {}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(aws)
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The folder with its log and data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
