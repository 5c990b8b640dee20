//! SIGINT, SIGTERM and SIGHUP: a run that is told to stop tears down what it made, and does not just end.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Whether to stop; shared by all that waits.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

/// Tells to stop at its time, unless it is dropped before.
#[derive(Debug)]
pub struct Limit(JoinHandle<()>);

impl Drop for Limit {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stop {
    /// Listens from now on.
    pub fn listen() -> Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let sender = watch::Sender::new(false);
        for kind in kinds {
            let (mut signals, sender) = (signal(kind)?, sender.clone());
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    eprintln!("aws: told to stop; what was made is torn down first");
                    sender.send_replace(true);
                }
            });
        }
        Ok(Self(sender))
    }

    /// Tells to stop when so much time has passed, if the limit is held on to until then.
    pub fn after(&self, time: Duration, why: String) -> Limit {
        let sender = self.0.clone();
        Limit(tokio::spawn(async move {
            tokio::time::sleep(time).await;
            eprintln!("aws: {why}; what was made is torn down");
            sender.send_replace(true);
        }))
    }

    /// One that nobody stops: a teardown goes on to its end.
    pub fn never() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is told.
    pub async fn told(&self) {
        let mut receiver = self.0.subscribe();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Stop;

    #[tokio::test]
    async fn a_limit_stops_a_run_and_one_that_is_dropped_does_not() {
        let stop = Stop::never();
        drop(stop.after(Duration::ZERO, "the first".to_owned()));
        tokio::task::yield_now().await;
        assert!(!stop.is_told());
        let _limit = stop.after(Duration::ZERO, "the second".to_owned());
        stop.told().await;
        assert!(stop.is_told());
    }
}
