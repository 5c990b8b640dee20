//! Events in the order of time, however they came and however many they are: what does not fit is sorted in pieces on disk,
//! and merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use reforge_api::{IncidentSpec, PolicyRef, Time};
use reforge_core::intake::candidate::Candidate;
use serde::{Deserialize, Serialize};

/// Events held in memory before a piece is written: some 50 MiB.
const PIECE: usize = 50_000;

/// An event that concerns a policy. The order is that of time, then of what tells two events apart, so that it is the same
/// in whatever order they came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Logged {
    /// When the call was made.
    pub time: Time,
    /// CloudTrail's id.
    pub id: String,
    /// The resource.
    pub resource_id: String,
    /// Its type in the catalogue.
    pub resource_type: String,
    /// The policy's namespace.
    pub namespace: String,
    /// The policy.
    pub policy: String,
    /// The Incident that it would be, as JSON.
    spec: String,
}

impl Logged {
    /// What is kept of a candidate: not the call's parameters, which nothing here looks at.
    pub fn of(candidate: Candidate) -> Self {
        let mut spec = candidate.spec();
        spec.event.request_parameters = None;
        let spec = serde_json::json!(spec).to_string();
        let Candidate { namespace, policy: PolicyRef { name: policy }, event, resource, .. } = candidate;
        let (resource_id, resource_type) = (resource.id, resource.r#type);
        Self { time: event.time, id: event.id, resource_id, resource_type, namespace, policy, spec }
    }

    /// The Incident that it would be.
    pub fn spec(&self) -> Result<IncidentSpec, serde_json::Error> {
        serde_json::from_str(&self.spec)
    }
}

/// Collects events from several threads, and gives them back in order.
#[derive(Debug)]
pub struct Sorted {
    scratch: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fresh: Vec<Logged>,
    pieces: Vec<File>,
}

impl Sorted {
    /// Pieces are written to nameless files in `scratch`.
    pub fn new(scratch: &Path) -> Self {
        Self { scratch: scratch.to_owned(), state: Mutex::default() }
    }

    /// Adds an event.
    pub fn add(&self, event: Logged) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fresh.push(event);
        if state.fresh.len() >= PIECE {
            let piece = write_piece(&self.scratch, std::mem::take(&mut state.fresh))?;
            state.pieces.push(piece);
        }
        Ok(())
    }

    /// All events in order, each once: the same event from two files is one.
    pub fn in_order(self) -> io::Result<impl Iterator<Item = io::Result<Logged>>> {
        let State { mut fresh, pieces } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        fresh.sort_unstable();
        let mut sources: Vec<Box<dyn Iterator<Item = io::Result<Logged>>>> = vec![Box::new(fresh.into_iter().map(Ok))];
        for piece in pieces {
            sources.push(Box::new(BufReader::new(piece).lines().map(|line| Ok(serde_json::from_str(&line?)?))));
        }
        let mut merge = Merge { sources, heads: BinaryHeap::new(), failed: None };
        for index in 0..merge.sources.len() {
            merge.advance(index);
        }
        let mut last: Option<(Time, String, String)> = None;
        Ok(merge.filter(move |event| {
            let Ok(event) = event else { return true };
            let key = (event.time, event.id.clone(), event.resource_id.clone());
            last.replace(key.clone()) != Some(key)
        }))
    }
}

fn write_piece(scratch: &Path, mut events: Vec<Logged>) -> io::Result<File> {
    events.sort_unstable();
    let mut file = BufWriter::new(tempfile::tempfile_in(scratch)?);
    for event in &events {
        serde_json::to_writer(&mut file, event)?;
        file.write_all(b"\n")?;
    }
    let mut file = file.into_inner()?;
    file.rewind()?;
    Ok(file)
}

struct Merge {
    sources: Vec<Box<dyn Iterator<Item = io::Result<Logged>>>>,
    heads: BinaryHeap<Reverse<(Logged, usize)>>,
    failed: Option<io::Error>,
}

impl Merge {
    fn advance(&mut self, index: usize) {
        match self.sources[index].next() {
            Some(Ok(event)) => self.heads.push(Reverse((event, index))),
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for Merge {
    type Item = io::Result<Logged>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let Reverse((event, index)) = self.heads.pop()?;
        self.advance(index);
        Some(Ok(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::{Actor, Change, Resource};

    fn event(time: i64, id: &str) -> Logged {
        let event = reforge_api::Event {
            origin: reforge_api::Origin::CloudTrail,
            id: id.into(),
            time: Time(time),
            name: "DeleteTable".into(),
            source: "dynamodb.amazonaws.com".into(),
            account_id: "111122223333".into(),
            region: "eu-west-1".into(),
            actor: Actor::default(),
            request_parameters: None,
        };
        let resource = Resource {
            r#type: "dynamodb".into(),
            cloud_formation_type: "AWS::DynamoDB::Table".into(),
            id: "orders".into(),
            arn: None,
        };
        Logged::of(Candidate {
            namespace: "shop".into(),
            policy: PolicyRef { name: "p".into() },
            event,
            resource,
            change: Change::Deleted,
            handling: reforge_api::Handling::Recover,
        })
    }

    #[test]
    fn more_than_fits_into_memory_comes_in_the_order_of_time_and_each_once() {
        let scratch = tempfile::tempdir().unwrap();
        let sorted = Sorted::new(scratch.path());
        let count = 2 * PIECE + 7;
        for i in (0..count).rev() {
            let i = i64::try_from(i).unwrap();
            sorted.add(event(i * 7919 % 100_000, &i.to_string())).unwrap();
        }
        sorted.add(event(0, "0")).unwrap();
        let all: Vec<Logged> = sorted.in_order().unwrap().collect::<io::Result<_>>().unwrap();
        assert_eq!(all.len(), count, "the one that came twice is one");
        assert!(all.is_sorted());
    }
}
