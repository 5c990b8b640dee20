//! An AWS that answers as a test says, for what the emulated one cannot be asked for: how often it is called, and when.

use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response};

/// A call that was made.
#[derive(Clone, Debug)]
pub struct Call {
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

/// What it is answered with.
pub type Answer = Response<Body>;

/// An answer with a body and nothing else.
pub fn answer(status: u16, body: impl Into<String>) -> Answer {
    Response::builder().status(status).body(Body::from(body.into())).expect("an answer")
}

/// The server; it ends with the test.
pub struct Fake {
    /// What clients are made from.
    pub config: SdkConfig,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Fake {
    /// Starts one; each call is noted before it is answered.
    pub async fn start<F>(answer: impl Fn(Call) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = calls.clone();
        let app = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("a body");
            let call = Call { headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() };
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
            answer(call).await
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::for_tests())
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .endpoint_url(url)
            .load()
            .await;
        Self { config, calls }
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
