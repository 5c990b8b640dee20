//! What holds a policy's automatic work back: what a plan may contain, who is asked, when, and how much of it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What a plan may contain. Destroying is never automatic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanPolicy {
    /// The most changes that may go by themselves; more: a human is asked.
    #[serde(default = "default_max_changes")]
    #[schemars(range(min = 1, max = 500))]
    pub max_changes: u32,
    /// What becomes of changes that no Incident explains.
    #[serde(default)]
    pub unexplained: Unexplained,
}

impl Default for PlanPolicy {
    fn default() -> Self {
        Self { max_changes: default_max_changes(), unexplained: Unexplained::default() }
    }
}

fn default_max_changes() -> u32 {
    10
}

/// What becomes of changes that no Incident explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Unexplained {
    /// They are left out: planned again with the explained addresses as targets.
    #[default]
    Target,
    /// A human is asked.
    Ask,
    /// The plan is refused.
    Refuse,
}

/// Whether a human is asked before a plan is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("(self.mode == 'When') == (has(self.when) && size(self.when) > 0)", "approval.when is given for approval.mode When, and only for it"))]
pub struct ApprovalPolicy {
    /// Never, Always, or When one of the expressions holds.
    pub mode: ApprovalMode,
    /// CEL over event, resource, change, classification and plan; one that holds, or cannot be answered, asks. At most eight
    /// brackets deep, no loop within a loop, and the patterns of `matches` are texts in quotes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 1024)))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub when: Vec<String>,
    /// How many people must approve, each in their own name.
    #[serde(default = "default_approvers")]
    #[schemars(range(min = 1, max = 5))]
    pub approvers: u32,
    /// Whether the one who made the change may approve its undoing.
    #[serde(default)]
    pub actor_may_approve: bool,
    /// How long people have to decide, and how long a decision counts, as in 30m or 4h; halfway they are reminded.
    #[serde(default = "default_expiry")]
    #[schemars(length(min = 2, max = 8))]
    #[x_kube(validation = ("self.matches('^[1-9][0-9]{0,4}(s|m|h)$')", "approval.expiresAfter is a whole number and a unit: 90s, 30m or 4h"))]
    pub expires_after: String,
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self {
            mode: ApprovalMode::Always,
            when: Vec::new(),
            approvers: default_approvers(),
            actor_may_approve: false,
            expires_after: default_expiry(),
        }
    }
}

fn default_approvers() -> u32 {
    1
}

fn default_expiry() -> String {
    "4h".to_owned()
}

/// When a human is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ApprovalMode {
    /// The gate alone decides.
    Never,
    /// Every plan is asked about.
    Always,
    /// A plan is asked about when one of `when` holds.
    When,
}

/// What holds automatic work back. Counted from what is stored in the operator's namespace, so that neither a restart
/// nor a deleted Incident or policy resets it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsPolicy {
    /// How long after an apply for a resource the next one for it waits, as in 0s, 90s or 10m.
    #[serde(default = "default_cooldown")]
    #[schemars(length(min = 2, max = 8))]
    #[x_kube(validation = ("self.matches('^[0-9]{1,5}(s|m|h)$')", "limits.cooldown is a whole number and a unit: 0s, 90s or 10m"))]
    pub cooldown: String,
    /// The most applies in an hour that one actor can cause in one workspace; beyond it a human is asked.
    #[serde(default = "default_max_per_hour")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_per_hour: u32,
    /// The most applies of this policy at the same time; the others wait.
    #[serde(default = "default_max_concurrent")]
    #[schemars(range(min = 1, max = 100))]
    pub max_concurrent: u32,
    /// More Incidents of this policy than this within `stormWindow` are a storm: humans are asked about each plan.
    #[serde(default = "default_storm_threshold")]
    #[schemars(range(min = 1, max = 1000))]
    pub storm_threshold: u32,
    /// The window of a storm, as in 5m; it ends when it has been quiet for as long.
    #[serde(default = "default_storm_window")]
    #[schemars(length(min = 2, max = 8))]
    #[x_kube(validation = ("self.matches('^[1-9][0-9]{0,4}(s|m|h)$')", "limits.stormWindow is a whole number and a unit: 90s or 5m"))]
    pub storm_window: String,
    /// The same actor breaks the same resource again after this many recoveries within a day: a human is asked.
    #[serde(default = "default_tug_of_war")]
    #[schemars(range(min = 1, max = 100))]
    pub tug_of_war: u32,
}

impl Default for LimitsPolicy {
    fn default() -> Self {
        Self {
            cooldown: default_cooldown(),
            max_per_hour: default_max_per_hour(),
            max_concurrent: default_max_concurrent(),
            storm_threshold: default_storm_threshold(),
            storm_window: default_storm_window(),
            tug_of_war: default_tug_of_war(),
        }
    }
}

fn default_cooldown() -> String {
    "10m".to_owned()
}

fn default_max_per_hour() -> u32 {
    6
}

fn default_max_concurrent() -> u32 {
    3
}

fn default_storm_threshold() -> u32 {
    20
}

fn default_storm_window() -> String {
    "5m".to_owned()
}

fn default_tug_of_war() -> u32 {
    3
}

/// A change window: either one in which plans may be applied, or one in which they may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.allow) != has(self.deny)", "a window has either allow or deny"))]
pub struct Window {
    /// Plans may be applied in these hours; where any window allows, only in one that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Hours>,
    /// Plans are not applied in these hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<Hours>,
}

/// Hours of days in a time zone, as its clocks show them: where these skip an hour it is not there, and where they show one
/// twice it is meant both times.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hours {
    /// The days on which the hours begin; empty: every day.
    #[serde(default)]
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub days: Vec<Day>,
    /// When they begin, as in "16:00".
    #[schemars(length(min = 5, max = 5))]
    #[x_kube(validation = ("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "from is a time of day as in \"16:00\", in quotes"))]
    pub from: String,
    /// When they end, as in "23:00"; not after `from`: on the next day.
    #[schemars(length(min = 5, max = 5))]
    #[x_kube(validation = ("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "to is a time of day as in \"23:00\", in quotes"))]
    pub to: String,
    /// An IANA time zone, as in Europe/Berlin or UTC.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}
