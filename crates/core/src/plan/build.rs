//! Builds as values: what one is started with, and how it stands. Who starts and reads them is elsewhere.

use std::fmt;

use reforge_api::Time;
use serde::Serialize;

use crate::catalog::Undo;
use crate::plan::published::Failure;
use crate::words::fault::Fault;
use crate::words::text::shorten;

/// Characters of a variable's value that CodeBuild takes (wolfeidau/buildkite-serverless-agent #35; AWS documents none).
const MAX_VALUE: usize = 4096;

/// What a build is started with; the list is fixed, and none of it is free text from an event or a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The project.
    pub project: String,
    /// The Incident's name.
    pub incident: String,
    /// The attempt.
    pub attempt: u32,
    /// The idempotency token; CodeBuild honours it for five minutes.
    pub token: String,
    /// The commit; None: what the project's source says.
    pub source_version: Option<String>,
    /// Terraform addresses, from an inventory or a plan.
    pub targets: Vec<String>,
    /// For a plan: a verb of the catalogue, and the addresses of the inventory that it is for.
    pub undo: Option<(Undo, Vec<String>)>,
    /// For a plan: where data can come back from.
    pub restore: Option<RestorePoint>,
    /// For an apply: the UUID of the plan build, and the plan's digest.
    pub plan: Option<(String, String)>,
}

impl Order {
    /// The variables of the build's environment: a fixed list.
    ///
    /// # Errors
    /// When one is longer than CodeBuild takes.
    pub fn variables(&self) -> Result<Vec<(&'static str, String)>, Fault> {
        let mut variables = vec![
            ("REFORGE_INCIDENT", self.incident.clone()),
            ("REFORGE_ATTEMPT", self.attempt.to_string()),
            ("REFORGE_TARGETS", value_of(&self.targets)),
        ];
        if let Some((verb, addresses)) = &self.undo {
            let undo = serde_json::json!({"verb": verb, "addresses": addresses});
            variables.push(("REFORGE_UNDO", undo.to_string()));
        }
        if let Some(restore) = &self.restore {
            variables.push(("REFORGE_RESTORE", serde_json::json!(restore).to_string()));
        }
        if let Some((build, digest)) = &self.plan {
            variables.push(("REFORGE_PLAN_BUILD", build.clone()));
            variables.push(("REFORGE_PLAN_DIGEST", digest.clone()));
        }
        match variables.iter().find(|(_, value)| value.chars().count() > MAX_VALUE) {
            Some((name, value)) => {
                let said = format!("{name} has {} characters, and CodeBuild takes {MAX_VALUE}", value.chars().count());
                Err(Fault::ours(self.doing(), &said))
            }
            None => Ok(variables),
        }
    }

    /// What starting it is, in words.
    pub fn doing(&self) -> String {
        format!("starting CodeBuild project {}", self.project)
    }
}

/// Whether a build can be told of these targets: they are one variable of its environment.
pub fn can_be_told(targets: &[String]) -> bool {
    value_of(targets).chars().count() <= MAX_VALUE
}

fn value_of(targets: &[String]) -> String {
    serde_json::json!(targets).to_string()
}

/// Where lost data can come back from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestorePoint {
    /// The second before the event, RFC 3339 in whole seconds.
    pub time: String,
    /// A snapshot that the policy names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

impl RestorePoint {
    /// Before an event.
    pub fn before(event: Time, snapshot: Option<String>) -> Self {
        let second = Time((event.0 / 1000 - 1) * 1000).to_string();
        Self { time: second.replace(".000Z", "Z"), snapshot }
    }
}

/// How a build stands, by CodeBuild.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BuildStatus {
    /// It is queued, or at work.
    #[default]
    InProgress,
    /// It ended well.
    Succeeded,
    /// A command of it failed.
    Failed,
    /// CodeBuild could not carry it out.
    Fault,
    /// It took longer than its project allows.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
    /// CodeBuild does not tell of it any more, or says what nobody here knows: what it has done, nobody can tell.
    Unknown,
}

impl BuildStatus {
    /// The word for it: CodeBuild's own, where it has one.
    pub fn word(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Fault => "FAULT",
            Self::TimedOut => "TIMED_OUT",
            Self::Stopped => "STOPPED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// What CodeBuild's word means.
    pub fn of(word: &str) -> Self {
        let known = [Self::InProgress, Self::Succeeded, Self::Failed, Self::Fault, Self::TimedOut, Self::Stopped];
        known.into_iter().find(|status| status.word() == word).unwrap_or(Self::Unknown)
    }
}

/// Why a build failed, as it says itself: REFORGE_ERROR.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BuildError {
    /// The saved plan is not the one that was judged.
    DigestMismatch,
    /// The state moved since the plan.
    StalePlan,
    /// Terraform's state lock is held.
    StateLocked,
    /// AWS wanted fewer calls.
    Throttled,
    /// What only people tell apart: AlreadyClaimed, InitFailed, PlanFailed, ApplyFailed.
    Other(String),
}

impl BuildError {
    /// What a build's word means.
    pub fn of(word: &str) -> Self {
        match word {
            "DigestMismatch" => Self::DigestMismatch,
            "StalePlan" => Self::StalePlan,
            "StateLocked" => Self::StateLocked,
            "Throttled" => Self::Throttled,
            other => Self::Other(shorten(other, 64)),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DigestMismatch => "DigestMismatch",
            Self::StalePlan => "StalePlan",
            Self::StateLocked => "StateLocked",
            Self::Throttled => "Throttled",
            Self::Other(word) => word,
        })
    }
}

/// The state of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BuildState {
    /// `<project>:<uuid>`.
    pub id: String,
    /// How it stands.
    pub status: BuildStatus,
    /// Where its log is.
    pub url: Option<String>,
    /// When it started.
    pub start: Option<Time>,
    /// When it ended.
    pub end: Option<Time>,
    /// REFORGE_ERROR as the build exported it.
    pub error: Option<BuildError>,
    /// What a build that failed published of that, once it was looked for.
    pub failure: Option<Box<Failure>>,
}

impl BuildState {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.status != BuildStatus::InProgress
    }

    /// Whether it ended well.
    pub fn succeeded(&self) -> bool {
        self.status == BuildStatus::Succeeded
    }
}

#[cfg(test)]
mod tests {
    use super::{BuildError, BuildState, BuildStatus, MAX_VALUE, Order, RestorePoint};
    use crate::catalog::Undo;
    use reforge_api::Time;

    /// What tells a build only whom it is for.
    fn order() -> Order {
        Order {
            project: "shop-plan".into(),
            incident: "i".into(),
            attempt: 2,
            token: "t".into(),
            source_version: None,
            targets: Vec::new(),
            undo: None,
            restore: None,
            plan: None,
        }
    }

    #[test]
    fn a_build_is_told_what_it_is_for_and_nothing_else() {
        let told = |order: &Order| {
            let variables = order.variables().expect("there is room");
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let always = ["REFORGE_INCIDENT=i", "REFORGE_ATTEMPT=2", "REFORGE_TARGETS=[]"];
        assert_eq!(told(&order()), always);
        let restore = Some(RestorePoint { time: "2026-01-02T03:04:04Z".into(), snapshot: None });
        let plan = Order { undo: Some((Undo::StartInstances, vec!["a.b".into()])), restore, ..order() };
        let undo = r#"REFORGE_UNDO={"addresses":["a.b"],"verb":"StartInstances"}"#;
        assert_eq!(told(&plan)[3..], [undo, r#"REFORGE_RESTORE={"time":"2026-01-02T03:04:04Z"}"#]);
        let apply = Order { plan: Some(("uuid".into(), "digest".into())), ..order() };
        assert_eq!(told(&apply)[3..], ["REFORGE_PLAN_BUILD=uuid", "REFORGE_PLAN_DIGEST=digest"]);
    }

    #[test]
    fn what_is_longer_than_codebuild_takes_is_a_fault_that_names_it() {
        let with = |length: usize| Order { targets: vec!["x".repeat(length - r#"[""]"#.len())], ..order() }.variables();
        assert!(with(MAX_VALUE).is_ok());
        let said = with(MAX_VALUE + 1).expect_err("there is no room").to_string();
        for part in ["starting CodeBuild project shop-plan", "REFORGE_TARGETS has 4097 characters"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn data_comes_back_from_the_second_before_it_was_lost() {
        let lost = Time::parse("2026-01-02T03:04:05.678Z").expect("a time");
        assert_eq!(RestorePoint::before(lost, None).time, "2026-01-02T03:04:04Z");
    }

    #[test]
    fn a_build_is_over_in_whatever_way_it_ended() {
        let is_over = |status| BuildState { status, ..BuildState::default() }.is_over();
        assert!(!is_over(BuildStatus::InProgress));
        for ended in [BuildStatus::Succeeded, BuildStatus::Failed, BuildStatus::Stopped, BuildStatus::Unknown] {
            assert!(is_over(ended), "{ended:?}");
        }
    }

    #[test]
    fn a_word_that_nobody_knows_is_no_end_that_anybody_knows() {
        for word in ["IN_PROGRESS", "SUCCEEDED", "FAILED", "FAULT", "TIMED_OUT", "STOPPED"] {
            assert_eq!(BuildStatus::of(word).word(), word);
        }
        assert_eq!(BuildStatus::of("PAUSED"), BuildStatus::Unknown);
        for word in ["DigestMismatch", "StalePlan", "StateLocked", "Throttled", "ApplyFailed"] {
            assert_eq!(BuildError::of(word).to_string(), word);
        }
    }
}
