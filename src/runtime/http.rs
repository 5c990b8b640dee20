//! Probes and metrics: `/healthz`, `/readyz`, `/metrics`. Served before anything else, by every replica.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::intake::queue::QueueState;

/// What the probes depend on.
#[derive(Clone)]
pub struct Health {
    /// What has ended that must not have: the operator ends.
    pub ended: watch::Receiver<Option<String>>,
    /// Whether policies and Incidents are in the cache and intake is open.
    pub open: watch::Receiver<bool>,
    /// Whether the queue can be read.
    pub queue: watch::Receiver<QueueState>,
}

impl Health {
    fn is_alive(&self) -> Result<(), String> {
        match &*self.ended.borrow() {
            Some(what) => Err(what.clone()),
            None => Ok(()),
        }
    }

    fn is_ready(&self) -> Result<(), String> {
        self.is_alive()?;
        if !*self.open.borrow() {
            return Err("waiting for the policies, or for the apiserver to store Incidents".to_owned());
        }
        match &*self.queue.borrow() {
            QueueState::Ok => Ok(()),
            QueueState::Unknown => Err("the queue has not answered yet".to_owned()),
            QueueState::Trouble(trouble) => Err(trouble.clone()),
        }
    }
}

struct Shared {
    health: Health,
    registry: Registry,
}

/// Serves until `stop`.
pub async fn serve(
    address: SocketAddr,
    health: Health,
    registry: Registry,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "probes and metrics are served");
    let routes = Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Shared { health, registry }));
    axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

async fn alive(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    answer(shared.health.is_alive())
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    answer(shared.health.is_ready())
}

fn answer(health: Result<(), String>) -> (StatusCode, String) {
    match health {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
