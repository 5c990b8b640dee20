//! The operator, as far as it deletes what has ended and knows what comes again.

use std::collections::BTreeSet;

use reforge_api::{Incident, StepName, reason};
use reforge_core::incident::around::late;
use reforge_core::incident::decide::decide;
use reforge_core::incident::evidence::elder;
use reforge_core::incident::transition::{Ending, end};
use reforge_core::incident::view::{PolicyState, View};
use reforge_core::index::{Index, Row};
use reforge_core::watch::retention::Retention;
use serde_json::json;

use super::world::{DAY, REPORTS, Stored, World, Wrong, days};

/// What the Incidents are called.
const NAMES: [&str; REPORTS] = ["told", "recorded"];

/// A way in which the operator could be broken; the checker must see each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// What has ended is kept for as long as people want, whatever the queues may bring.
    ForgetsTheQueues,
    /// What the sweep has not passed is deleted.
    ForgetsTheSweep,
    /// A duplicate goes once the queues cannot bring its event again, though its elder may have failed.
    HurriesDuplicates,
    /// What is old counts as ended.
    DeletesOpenOnes,
    /// What is deleted is not compared with what was seen.
    DeletesWithoutVersion,
    /// An event that is older than Incidents are kept goes by itself.
    ForgetsWhatIsLate,
}

/// What is kept, and for how long.
#[derive(Clone, Debug)]
pub struct Kept {
    incidents: [Incident; REPORTS],
    /// How long what has ended is kept for people, in days.
    ended: u8,
    /// How long a queue may bring an event, in days.
    pub queues: u8,
    /// What this is called.
    pub trouble: &'static str,
    /// The broken variants that are to be seen.
    pub flaws: &'static [Flaw],
    flaw: Option<Flaw>,
}

impl Kept {
    /// For people so long, in days, and so long for the queues.
    pub fn with(trouble: &'static str, (ended, queues): (u8, u8), flaws: &'static [Flaw]) -> Self {
        let incident = |name: &str, origin: &str| {
            serde_json::from_value(json!({
                "apiVersion": "reforge.dev/v1alpha1",
                "kind": "Incident",
                "metadata": {"name": name, "namespace": "n"},
                "spec": {
                    "event": {"id": origin, "time": "1970-01-01T00:00:00Z", "name": "DeleteTable", "origin": origin,
                        "source": "dynamodb.amazonaws.com", "accountId": "111122223333", "region": "eu-west-1",
                        "actor": {"type": "AWSService"}},
                    "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "t"},
                    "change": "Deleted", "policyRef": {"name": "p"}
                }
            }))
            .expect("an Incident")
        };
        let incidents = [incident(NAMES[0], "StateChange"), incident(NAMES[1], "CloudTrail")];
        Self { incidents, ended, queues, trouble, flaws, flaw: None }
    }

    /// The same with an operator that is broken in this way.
    pub fn broken(&self, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..self.clone() }
    }

    /// Whether the operator is broken in this way.
    pub fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn row(&self, report: usize, stored: &Stored) -> Row {
        let mut incident = self.incidents[report].clone();
        incident.metadata.resource_version = Some(stored.version().to_string());
        incident.status = Some(stored.status.clone());
        Row { created: days(stored.created), ..Row::from(&incident) }
    }

    fn index(&self, world: &World) -> Index {
        let mut index = Index::default();
        for (report, stored) in world.index.iter().enumerate() {
            if let Some(stored) = stored {
                index.put(self.row(report, stored));
            }
        }
        index
    }

    /// Which Incidents are to be deleted, as they were seen.
    pub fn due(&self, world: &World) -> Vec<(usize, u64)> {
        if world.day == 0 {
            return Vec::new();
        }
        let queues = if self.is(Flaw::ForgetsTheQueues) { 0 } else { self.queues };
        let hurries = self.is(Flaw::HurriesDuplicates);
        let kept = Retention {
            ended: days(self.ended).0,
            noise: if hurries { days(queues).0 } else { DAY },
            queues: days(queues).0,
            limits: 0,
            swept: (!self.is(Flaw::ForgetsTheSweep)).then(|| days(u8::from(world.is_swept))),
        };
        let mut index = Index::default();
        for (report, stored) in world.index.iter().enumerate() {
            let Some(stored) = stored else { continue };
            let mut row = self.row(report, stored);
            if self.is(Flaw::DeletesOpenOnes) && row.ended.is_none() {
                let mut status = stored.status.clone();
                end(&mut status, Ending::Dismissed, reason::NORMAL, "", days(stored.created));
                row = Row { version: row.version, ..self.row(report, &Stored { status, ..stored.clone() }) };
            }
            row.is_duplicate &= !hurries;
            index.put(row);
        }
        let due = kept.due(&index, days(world.day), &BTreeSet::new(), REPORTS);
        let which = |name: &str| NAMES.iter().position(|known| *known == name);
        due.into_iter().filter_map(|(id, version)| Some((which(&id.name)?, version))).collect()
    }

    /// Works on an Incident until it ends.
    pub fn work(&self, world: &mut World, report: usize, goes_well: bool) {
        let Some(stored) = &world.stored[report] else { return };
        let now = days(world.day);
        let longest = days(self.ended.max(self.queues)).0;
        let late = late(days(stored.created), self.incidents[report].spec.event.time, longest);
        let elder = elder(&self.index(world), &self.row(report, stored)).map(|id| id.to_string());
        let mut status = stored.status.clone();
        if elder.is_some() {
            let view = View::alone("i", self.incidents[report].spec.clone(), status, PolicyState::Gone, now);
            status = decide(&View { elder, ..view }).status;
        } else if late.is_some() && !self.is(Flaw::ForgetsWhatIsLate) {
            end(&mut status, Ending::Failed, reason::APPROVAL_EXPIRED, "nobody decided", now);
        } else {
            if world.concluded[report] {
                world.wrongs.insert(Wrong::AppliedAgain);
            }
            status.timeline.planned_at = Some(now);
            let (how, why) = if goes_well {
                (Ending::Recovered, reason::VERIFIED)
            } else {
                (Ending::Failed, reason::ATTEMPTS_EXHAUSTED)
            };
            end(&mut status, how, why, "", now);
        }
        world.concluded[report] |= status.step.name == StepName::Ended;
        if let Some(stored) = &mut world.stored[report] {
            stored.status = status;
            // The operator's own writes are in its index before the watch brings them.
            world.index[report] = Some(stored.clone());
        }
    }
}
