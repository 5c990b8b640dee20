//! In front of an apiserver: what passes through can be made to go wrong by what is in its path, and is counted.
//!
//! It calls as whom its kubeconfig names, and asks nobody who comes: it is for one program, the operator.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, client};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::edge::{Counted, Manner};

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Headers of the connection, and who calls: that is another one behind the front.
const NOT_PASSED_ON: [&str; 4] = ["host", "authorization", "connection", "content-length"];

/// A running front; ends when it is dropped.
#[derive(Debug)]
pub struct Front {
    passing: Arc<Passing>,
    port: u16,
    _serving: JoinSet<()>,
}

struct Passing {
    behind: Client,
    wrong: Mutex<Vec<(String, Manner, Counted)>>,
}

impl std::fmt::Debug for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passing").field("wrong", &self.wrong).finish_non_exhaustive()
    }
}

impl Front {
    /// Opens one, before the apiserver that a kubeconfig leads to.
    ///
    /// # Errors
    /// When the kubeconfig is none, or no port can be opened.
    pub async fn start(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // What is told to come again is the caller's to know.
        config.default_retry = false;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening a port")?;
        let port = listener.local_addr()?.port();
        let passing = Arc::new(Passing { behind: Client::try_from(config)?, wrong: Mutex::default() });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&passing)));
        Ok(Self { passing, port, _serving: serving })
    }

    /// Writes a kubeconfig that leads here, and says where.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join("front.kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "front",
            "clusters": [{"name": "front", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}],
            "users": [{"name": "front", "user": {}}],
            "contexts": [{"name": "front", "context": {"cluster": "front", "user": "front"}}],
        });
        fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// Has the calls go wrong that have `about` in their path, until [`Counted::end`], and counts them.
    pub fn strike(&self, about: &str, manner: Manner) -> Counted {
        let counted = Counted::of(u32::MAX);
        let mut wrong = self.passing.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.push((about.to_owned(), manner, counted.clone()));
        counted
    }
}

async fn serve(listener: TcpListener, passing: Arc<Passing>) {
    // Connections are aborted with this task.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let passing = Arc::clone(&passing);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let passing = Arc::clone(&passing);
                async move { passing.pass(request).await }
            });
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection to the front broke off");
            }
        });
    }
}

impl Passing {
    fn wrong(&self, target: &str) -> Option<Manner> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, manner, counted) = wrong.iter().find(|(about, ..)| target.contains(about))?;
        counted.strike().then(|| manner.clone())
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let wrong = self.wrong(&target);
        match wrong {
            Some(Manner::Denied | Manner::Code(_)) => return Ok(status(403, "Forbidden", &forbidden(&request))),
            Some(Manner::Throttled) => {
                let said = "the server has received too many requests and has asked us to try again later";
                return Ok(status(429, "TooManyRequests", said));
            }
            Some(Manner::ServerError) => {
                return Ok(status(500, "InternalError", "Internal error occurred: etcdserver: request timed out"));
            }
            Some(Manner::Slow | Manner::Half) | None => {}
        }
        let mut behind = Request::builder().method(request.method()).uri(&target);
        let passed_on = request.headers().iter().filter(|(name, _)| !NOT_PASSED_ON.contains(&name.as_str()));
        for (name, value) in passed_on {
            behind = behind.header(name, value);
        }
        let body = request.into_body().collect().await?.to_bytes();
        let answer = self.behind.send(behind.body(client::Body::from(body))?).await?;
        match wrong {
            Some(Manner::Slow) => {
                Manner::late().await;
                Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
            }
            Some(Manner::Half) => {
                let (mut parts, body) = answer.into_parts();
                let all = body.collect().await?.to_bytes();
                parts.headers.insert("content-length", all.len().into());
                let half = all.slice(..all.len() / 2);
                let ends = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                let frames = stream::iter([Ok(Frame::data(half)), Err(ends.into())]);
                Ok(Response::from_parts(parts, StreamBody::new(frames).boxed_unsync()))
            }
            _ => Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync())),
        }
    }
}

/// An apiserver's refusal.
fn status(code: u16, reason: &str, said: &str) -> Response<Body> {
    let body: Value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": said, "reason": reason, "code": code});
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or_default();
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// What an apiserver says to whom RBAC does not allow a call about Incidents.
fn forbidden(request: &Request<Incoming>) -> String {
    let mut path = request.uri().path().split('/').skip_while(|part| *part != "namespaces").skip(1);
    let (namespace, resource) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let (name, sub) = (path.next().unwrap_or_default(), path.next());
    let verb = match request.method().as_str() {
        "PATCH" => "patch",
        "POST" => "create",
        "PUT" => "update",
        "DELETE" => "delete",
        _ => "get",
    };
    let what = sub.map_or_else(|| resource.to_owned(), |sub| format!("{resource}/{sub}"));
    format!(
        "{resource}.reforge.dev \"{name}\" is forbidden: User \"system:serviceaccount:reforge:reforge\" cannot {verb} resource \"{what}\" in API group \"reforge.dev\" in the namespace \"{namespace}\""
    )
}
