//! A Git server over HTTPS on loopback, in CodeCommit's and GitHub's place: `git http-backend` behind a password.
//!
//! Given a folder of bare repositories, by host and path (`github.com/acme/infra.git`), it serves them to who has the password,
//! for fetching and pushing. It never serves anything outside of that folder, and ends when it is dropped.

use crate::edge::GitHost;
use crate::process::Scratch;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, version::TLS13};

/// What a client asks a repository for: the end of the path, which is not the repository's.
const SERVICES: [&str; 3] = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];

/// A running Git server.
#[derive(Debug)]
pub struct GitServer {
    host: GitHost,
    _certificate: Scratch,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Repositories {
    root: PathBuf,
    authorization: String,
    user: String,
}

impl GitServer {
    /// Serves what is below `root` on a free port of 127.0.0.1, with a certificate and a password of its own.
    ///
    /// # Errors
    /// When no certificate can be made or no port can be opened.
    pub async fn start(root: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("make a certificate")?;
        let folder = Scratch::new("reforge-git-")?;
        let certificate = folder.path().join("certificate.pem");
        std::fs::write(&certificate, made.cert.pem()).context("write the certificate")?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;

        let listener = TcpListener::bind("127.0.0.1:0").await.context("open a port for the Git server")?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let (user, password) = ("codebuild".to_owned(), uuid::Uuid::new_v4().to_string());
        let repositories = Arc::new(Repositories {
            root: root.to_owned(),
            authorization: basic(&user, &password),
            user: user.clone(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), repositories));
        Ok(Self { host: GitHost { url, certificate, login: (user, password) }, _certificate: folder, _tasks: tasks })
    }

    /// Where it is, and what it takes to get in: what an edge is told of it.
    pub fn host(&self) -> &GitHost {
        &self.host
    }
}

/// The header `Authorization` of a user (RFC 7617).
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, repositories: Arc<Repositories>) {
    // Connections are aborted with this task.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (tls, repositories) = (tls.clone(), Arc::clone(&repositories));
        connections.spawn(async move {
            let stream = match tls.accept(stream).await {
                Ok(stream) => TokioIo::new(stream),
                Err(error) => return tracing::debug!(%error, "a client of the Git server does not trust it"),
            };
            let service = service_fn(move |request| {
                let repositories = Arc::clone(&repositories);
                async move { Ok::<_, Infallible>(repositories.answer(request).await) }
            });
            if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await {
                tracing::debug!(%error, "a connection to the Git server broke off");
            }
        });
    }
}

impl Repositories {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let given = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        if given != Some(self.authorization.as_str()) {
            let mut refused = plain(StatusCode::UNAUTHORIZED);
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Git\""));
            return refused;
        }
        let Some(path) = self.locate(request.uri().path()) else { return plain(StatusCode::NOT_FOUND) };
        self.run(&path, request).await.unwrap_or_else(|error| {
            tracing::warn!(path, error = format!("{error:#}"), "the Git server could not answer");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        })
    }

    /// The path as `git http-backend` needs it. As on GitHub, a repository may be asked for without its `.git`.
    fn locate(&self, path: &str) -> Option<String> {
        let service = SERVICES.into_iter().find(|service| path.ends_with(service))?;
        let repository = path.strip_suffix(service)?.trim_matches('/');
        if !Path::new(repository).components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let names = [repository.to_owned(), format!("{repository}.git")];
        names.iter().find(|name| self.root.join(name).is_dir()).map(|name| format!("/{name}{service}"))
    }

    /// One exchange as a CGI program has it (RFC 3875).
    async fn run(&self, path: &str, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let header =
            |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let mut command = Command::new("git");
        command.arg("http-backend").env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_HTTP_EXPORT_ALL", "1")]);
        command.env("GIT_PROJECT_ROOT", &self.root);
        command.envs([
            ("PATH_INFO", path.to_owned()),
            ("REQUEST_METHOD", parts.method.to_string()),
            ("QUERY_STRING", parts.uri.query().unwrap_or_default().to_owned()),
            ("CONTENT_TYPE", header(CONTENT_TYPE)),
            ("CONTENT_LENGTH", body.len().to_string()),
            ("HTTP_CONTENT_ENCODING", header(CONTENT_ENCODING)),
            ("GIT_PROTOCOL", header(HeaderName::from_static("git-protocol"))),
            ("REMOTE_USER", self.user.clone()),
        ]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().context("start git http-backend")?;
        let mut stdin = child.stdin.take().context("git http-backend has an input")?;
        let fed = async move {
            // A client that breaks off is the backend's to report.
            let _ = stdin.write_all(&body).await;
        };
        let ((), output) = tokio::join!(fed, child.wait_with_output());
        response(&output?.stdout)
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{status}\n"))));
    *response.status_mut() = status;
    response
}

/// The answer of a CGI program: header fields, an empty line, the body.
fn response(output: &[u8]) -> Result<Response<Full<Bytes>>> {
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").context("git http-backend answers with a header")?;
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(&output[end + 4..])));
    for line in std::str::from_utf8(&output[..end])?.lines() {
        let (name, value) = line.split_once(": ").with_context(|| format!("{line} is no header field"))?;
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = value.split(' ').next().unwrap_or_default().parse()?;
        } else {
            response.headers_mut().insert(HeaderName::from_bytes(name.as_bytes())?, value.parse()?);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_folder_is_of_no_repository() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("served/github.com/acme/infra.git")).unwrap();
        std::fs::create_dir_all(folder.path().join("private.git")).unwrap();
        let repositories =
            Repositories { root: folder.path().join("served"), authorization: String::new(), user: String::new() };
        let found = "/github.com/acme/infra.git/info/refs";
        assert_eq!(repositories.locate("/github.com/acme/infra/info/refs").as_deref(), Some(found));
        assert_eq!(repositories.locate(found).as_deref(), Some(found));
        assert_eq!(repositories.locate("/../private.git/info/refs"), None);
        assert_eq!(repositories.locate("/github.com/acme/infra.git/config"), None);
    }
}
