//! SIGINT, SIGTERM and SIGHUP: a run that is told to stop tears down what it made, and does not just end.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether to stop; shared by all that waits.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on.
    pub fn listen() -> Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let (sender, receiver) = watch::channel(false);
        for kind in kinds {
            let (mut signals, sender) = (signal(kind)?, sender.clone());
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    eprintln!("aws: told to stop; what was made is torn down first");
                    sender.send_replace(true);
                }
            });
        }
        Ok(Self(receiver))
    }

    /// One that nobody stops: a teardown goes on to its end.
    pub fn never() -> Self {
        Self(watch::channel(false).1)
    }

    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is told.
    pub async fn told(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|told| *told).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits, unless it is told to stop before.
    pub async fn pause(&self, pause: Duration) -> Result<()> {
        let over = async {
            tokio::time::sleep(pause).await;
            Ok(())
        };
        self.or(over).await
    }

    /// The outcome of something that leaves nothing half done when it is left, unless it is told to stop before.
    pub async fn or<T>(&self, what: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            outcome = what => outcome,
            () = self.told() => bail!("told to stop"),
        }
    }
}
