//! The tasks that the operator is made of. None of them ends before it is told to: one that does, by an error or a panic, ends the
//! whole, in order, and says so where probes look; Kubernetes then starts it anew.

use std::fmt::Display;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks that the operator cannot do without.
#[derive(Clone, Debug)]
pub struct Vital {
    tasks: TaskTracker,
    stop: CancellationToken,
    ended: watch::Sender<Option<String>>,
}

impl Vital {
    /// None yet; they are told to end by `stop`, and one that ends before tells the others so.
    pub fn new(stop: CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), stop, ended: watch::Sender::new(None) }
    }

    /// Begins one that is told to end by the same token as all.
    pub fn spawn<E: Display + Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.tasks.spawn(self.clone().watch_over(name, task, self.stop.clone()));
    }

    /// Begins one that outlives the others, and is told to end by a token of its own; it is waited for by what is given back.
    pub fn outliving<E: Display + Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
        stop: CancellationToken,
    ) -> JoinHandle<()> {
        tokio::spawn(self.clone().watch_over(name, task, stop))
    }

    async fn watch_over<E: Display + Send + 'static>(
        self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
        told: CancellationToken,
    ) {
        let outcome = match tokio::spawn(task).await {
            Ok(Ok(())) if told.is_cancelled() => return,
            Ok(Ok(())) => "it has ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let what = format!("{name}: {outcome}");
        tracing::error!(what, "a task has ended that must not; the operator ends, to be started anew");
        self.ended.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(what);
            is_first
        });
        self.stop.cancel();
    }

    /// What ended that must not have, as it becomes known.
    pub fn ended(&self) -> watch::Receiver<Option<String>> {
        self.ended.subscribe()
    }

    /// Waits until all have ended that outlive no others.
    pub async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How it went.
    ///
    /// # Errors
    /// With the first that ended before it was told to.
    pub fn outcome(&self) -> anyhow::Result<()> {
        match &*self.ended.borrow() {
            Some(what) => anyhow::bail!("{what}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    async fn told_to_end(stop: CancellationToken) -> Result<(), Infallible> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn what_ends_when_it_is_told_to_ends_well() {
        let stop = CancellationToken::new();
        let vital = Vital::new(stop.clone());
        vital.spawn("one", told_to_end(stop.clone()));
        let done = CancellationToken::new();
        let outliving = vital.outliving("last", told_to_end(done.clone()), done.clone());
        stop.cancel();
        vital.wait().await;
        assert!(!outliving.is_finished(), "it outlives the others");
        done.cancel();
        outliving.await.expect("it is over");
        vital.outcome().expect("all were told to");
    }

    #[tokio::test]
    async fn a_panic_an_error_and_an_end_before_its_time_end_the_whole_and_are_told() {
        for what in ["panicked", "the port is taken", "it has ended"] {
            let stop = CancellationToken::new();
            let vital = Vital::new(stop.clone());
            let ended = vital.ended();
            vital.spawn("other", told_to_end(stop.clone()));
            vital.spawn("this", async move {
                assert_ne!(what, "panicked");
                if what == "it has ended" { Ok(()) } else { Err(what) }
            });
            vital.wait().await;
            let error = vital.outcome().expect_err("it was not told to").to_string();
            assert!(error.starts_with("this: ") && error.contains(what), "{error}");
            assert_eq!(ended.borrow().as_deref(), Some(error.as_str()));
        }
    }
}
