//! One HTTP exchange, buffered: what the edge works on between the socket and the emulator.
//!
//! Given a hyper request, it gives a [`Request`] in origin form; it never changes a body or a signed header.

use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Headers that belong to one connection and are not passed on (RFC 9110, "Connection"), and `expect`, which the edge has already met by reading the body.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "proxy-authorization",
    "expect",
];

/// A whole request in origin form.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query as they came, still percent-encoded.
    pub target: String,
    /// All end-to-end headers, `host` included.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The caller's address.
    pub peer: String,
    /// When the request arrived.
    pub at: Timestamp,
}

impl Request {
    /// Reads the whole body. A request in absolute form (the edge serves as `HTTP_PROXY`) is turned into origin form, and its `host` becomes the one of the URI.
    pub async fn read(from: hyper::Request<hyper::body::Incoming>, peer: String) -> Result<Self, hyper::Error> {
        let at = Timestamp::now();
        let (parts, body) = from.into_parts();
        let mut headers = parts.headers;
        for name in HOP_BY_HOP {
            headers.remove(name);
        }
        if let Some(authority) = parts.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(HOST, host);
        }
        let body = body.collect().await?.to_bytes();
        Ok(Self { method: parts.method, target: origin_form(&parts.uri), headers, body, peer, at })
    }

    /// A header as text, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// The path, still percent-encoded.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query, still percent-encoded, empty when absent.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The query as decoded pairs.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query().as_bytes()).into_owned().collect()
    }

    /// The body as JSON, `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

fn origin_form(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| "/".to_owned(), |p| p.as_str().to_owned())
}

/// What hyper sends: all of it, or only its first half.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// A whole response.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// All end-to-end headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The connection breaks off in the middle of the body.
    broken_off: bool,
}

impl Reply {
    /// A response as it came.
    pub fn of(status: u16, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body, broken_off: false }
    }

    /// A response of the given content type, with a request id as AWS sends one.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
            headers.insert("x-amzn-requestid", id);
        }
        Self::of(status, headers, body.into())
    }

    /// A successful answer of a JSON protocol.
    pub fn json(body: &Value) -> Self {
        Self::new(200, "application/x-amz-json-1.1", body.to_string())
    }

    /// An error of a JSON protocol: the code in body and header, as SDKs look in either.
    pub fn json_error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"__type": code, "message": message});
        let mut reply = Self::new(status, "application/x-amz-json-1.1", body.to_string());
        if let Ok(value) = HeaderValue::from_str(code) {
            reply.headers.insert(HeaderName::from_static("x-amzn-errortype"), value);
        }
        reply
    }

    /// Whether the call succeeded.
    pub fn is_success(&self) -> bool {
        self.status < 400
    }

    /// The body as JSON, `null` when it is none.
    pub fn json_body(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The same answer with another body; its length and checksum headers go, since they no longer fit.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.headers.remove("content-length");
        self.headers.remove("x-amz-crc32");
        self.body = body.into();
        self
    }

    /// The id that AWS gave to the request.
    pub fn request_id(&self) -> String {
        ["x-amzn-requestid", "x-amz-request-id"]
            .iter()
            .find_map(|name| self.headers.get(*name)?.to_str().ok())
            .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
    }

    /// The same answer, of which only the first half arrives.
    #[must_use]
    pub fn broken_off(self) -> Self {
        Self { broken_off: true, ..self }
    }

    /// What hyper sends.
    pub fn into_hyper(mut self) -> hyper::Response<Body> {
        let body = if self.broken_off {
            self.headers.insert("content-length", HeaderValue::from(self.body.len()));
            let half = self.body.slice(..self.body.len() / 2);
            let ends = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            BodyExt::boxed(StreamBody::new(stream::iter([Ok(Frame::data(half)), Err(ends)])))
        } else {
            Full::new(self.body).map_err(|never| match never {}).boxed()
        };
        let mut response = hyper::Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        *response.headers_mut() = self.headers;
        response
    }
}

/// Drops the headers of the connection between edge and emulator from an answer.
pub fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}
