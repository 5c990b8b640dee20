//! Which operation of a REST service a request is: method, path and query held against the templates of the model.
//!
//! Given method, path and query, it gives the operation that fits best and what its path says; it reads no body.

use super::service::{Operation, Service};
use crate::edge::call::percent_decode;
use std::cmp::Reverse;

/// An operation's place.
#[derive(Debug)]
pub struct Route {
    /// The operation's name.
    pub operation: String,
    method: String,
    segments: Vec<Segment>,
    query: Vec<(String, Option<String>)>,
    /// Query strings and headers that it does not go without.
    needs: Vec<Need>,
    deprecated: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Label(String),
    Rest(String),
}

#[derive(Debug, PartialEq, Eq)]
enum Need {
    Query(String),
    Header(String),
}

/// What a request asks for, as far as it says which operation it is.
pub struct Asked<'r> {
    /// The method.
    pub method: &'r str,
    /// The path, still percent-encoded.
    pub path: &'r str,
    /// The query, decoded.
    pub query: &'r [(String, String)],
    /// Whether there is such a header.
    pub has_header: &'r dyn Fn(&str) -> bool,
}

/// How well an operation fits, greater being better: first what its template says itself, then whether the request has what it needs.
type Fit = (usize, usize, bool, bool, usize, bool);

/// A request's operation and the members that are in its path.
#[derive(Debug)]
pub struct Found {
    /// For comparison with what another service has at this place.
    pub fit: Fit,
    /// The operation's name.
    pub operation: String,
    /// Members by the name in the template, decoded.
    pub labels: Vec<(String, String)>,
}

impl Route {
    /// The operations of a service.
    pub fn all(service: &Service) -> Vec<Self> {
        service.operations.iter().map(|(name, operation)| Self::of(service, name, operation)).collect()
    }

    fn of(service: &Service, name: &str, operation: &Operation) -> Self {
        let (path, query) = operation.http.request_uri.split_once('?').unwrap_or((&operation.http.request_uri, ""));
        let query = form_urlencoded::parse(query.as_bytes()).into_owned();
        Self {
            operation: name.to_owned(),
            method: operation.http.method.clone(),
            segments: path.split('/').filter(|s| !s.is_empty()).map(Segment::of).collect(),
            query: query.map(|(name, value)| (name, (!value.is_empty()).then_some(value))).collect(),
            needs: needs(service, operation),
            deprecated: operation.deprecated,
        }
    }

    fn labels(&self, path: &str) -> Option<Vec<(String, String)>> {
        let mut rest = path.trim_start_matches('/');
        let mut labels = Vec::new();
        for segment in &self.segments {
            if rest.is_empty() {
                return None;
            }
            let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
            match segment {
                Segment::Literal(literal) if percent_decode(first) != *literal => return None,
                Segment::Literal(_) => rest = after,
                Segment::Label(name) => {
                    labels.push((name.clone(), percent_decode(first)));
                    rest = after;
                }
                Segment::Rest(name) => {
                    labels.push((name.clone(), percent_decode(rest)));
                    rest = "";
                }
            }
        }
        rest.trim_matches('/').is_empty().then_some(labels)
    }

    fn has_its_query(&self, asked: &Asked<'_>) -> bool {
        self.query.iter().all(|(name, value)| {
            asked.query.iter().any(|(n, v)| n == name && value.as_ref().is_none_or(|value| value == v))
        })
    }

    fn fit(&self, asked: &Asked<'_>) -> Fit {
        let literals = self.segments.iter().filter(|s| matches!(s, Segment::Literal(_))).count();
        let met = self.needs.iter().filter(|need| need.is_met(asked)).count();
        // SDKs say in `x-id` which of S3's operations at one place they mean.
        let named = asked.query.iter().any(|(name, value)| name == "x-id" && *value == self.operation);
        let all = met == self.needs.len();
        (literals, self.query.len(), named, all, met, !self.deprecated)
    }
}

impl Segment {
    fn of(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            None => Self::Literal(text.to_owned()),
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Rest(name.to_owned()),
                None => Self::Label(name.to_owned()),
            },
        }
    }
}

impl Need {
    fn is_met(&self, asked: &Asked<'_>) -> bool {
        match self {
            Self::Query(name) => asked.query.iter().any(|(n, _)| n == name),
            Self::Header(name) => (asked.has_header)(name),
        }
    }
}

fn needs(service: &Service, operation: &Operation) -> Vec<Need> {
    let Some(input) = operation.input.as_ref().and_then(|i| service.shape(&i.shape)) else { return Vec::new() };
    let required = input.required.iter().filter_map(|name| Some((name, input.members.get(name)?)));
    required
        .filter_map(|(name, member)| {
            let wire = member.location_name.clone().unwrap_or_else(|| name.clone());
            match member.location.as_deref() {
                Some("querystring") => Some(Need::Query(wire)),
                Some("header") => Some(Need::Header(wire)),
                _ => None,
            }
        })
        .collect()
}

/// The operation that the request is.
pub fn find(service: &Service, asked: &Asked<'_>) -> Option<Found> {
    let fitting = service.routes().iter().filter(|route| route.method == asked.method && route.has_its_query(asked));
    let fitting = fitting.filter_map(|route| Some((route, route.labels(asked.path)?)));
    let best = fitting.min_by_key(|(route, _)| Reverse(route.fit(asked)));
    best.map(|(route, labels)| Found { fit: route.fit(asked), operation: route.operation.clone(), labels })
}
