//! What can be made to go wrong, and what was counted: the handle that tests and the sandbox's program hold.
//!
//! Everything here takes effect at once and holds until it is taken back.

use super::aimed::{Aim, Aimed, Counted, Manner};
use super::call::Call;
use super::http::Request;
use super::times::Times;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How the scripted model behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelMode {
    /// Reads the event in the prompt and gives the verdict that its name suggests.
    #[default]
    Scripted,
    /// As scripted, after this long.
    Slow(Duration),
    /// Takes the request and never answers.
    Silent,
    /// `ThrottlingException`, 429.
    Throttled,
    /// Free text in place of a verdict.
    Nonsense,
    /// Says that everything is normal, with 99 percent: as if an event's text had talked it into it.
    TakenIn,
    /// 503.
    Down,
}

/// How events go to the rules' targets.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    /// From the call to the delivery, of CloudTrail's and CodeBuild's events.
    pub delay: Duration,
    /// Each event is delivered twice.
    pub twice: bool,
    /// No event of CloudTrail and CodeBuild is delivered; what comes in waits, in order.
    pub held: bool,
    /// Each event takes up to two seconds longer, so that later ones overtake it.
    pub reordered: bool,
}

#[derive(Debug, Default)]
struct State {
    model: ModelMode,
    /// By what is in the prompt; the last one that was set counts.
    models: Vec<(String, ModelMode)>,
    slow: Duration,
    lookup: Duration,
    refusals: HashMap<(String, String), (u32, String)>,
    aimed: Vec<Aimed>,
    away: HashSet<String>,
    cloud_control: HashMap<(String, String), serde_json::Value>,
    calls: HashMap<(String, String, String), u64>,
    lost: bool,
    instance_states: bool,
    throttled_lookups: u64,
    misshapen: BTreeSet<String>,
}

/// The switches of one edge; clones are the same switches.
///
/// Services are named as they are signed for (`dynamodb`, `sqs`, `codebuild`, `bedrock`), operations as in CloudTrail without an API
/// version (`DeleteTable`, `DeleteFunction`, `PutBucketPublicAccessBlock`), principals by user name or session name (`mallory`, `AWSCodeBuild-..`).
#[derive(Debug, Clone)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    delivery: Arc<watch::Sender<Delivery>>,
}

impl Faults {
    pub(super) fn new(times: &Times) -> Self {
        let delivery = Delivery { delay: times.delivery, twice: false, held: false, reordered: false };
        let state = State { slow: times.deletion, lookup: times.lookup, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), delivery: Arc::new(watch::Sender::new(delivery)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back all that was set here but times, what Cloud Control says, and what was counted.
    pub fn reset(&self) {
        let mut state = self.state();
        state.model = ModelMode::default();
        state.models.clear();
        state.refusals.clear();
        state.aimed.clear();
        state.away.clear();
        (state.lost, state.instance_states) = (false, false);
        drop(state);
        self.delivery.send_modify(|d| (d.twice, d.held, d.reordered) = (false, false, false));
    }

    /// Sets how the model behaves.
    pub fn set_model(&self, mode: ModelMode) {
        self.state().model = mode;
    }

    /// Sets how the model behaves where it is asked with `about` in the prompt.
    pub fn set_model_about(&self, about: &str, mode: ModelMode) {
        self.state().models.push((about.to_owned(), mode));
    }

    /// Sets how long tables are `DELETING` and instances `shutting-down`. What is being deleted keeps its time.
    pub fn set_slow_deletes(&self, duration: Duration) {
        self.state().slow = duration;
    }

    /// Sets the time from a call to the delivery of its event, and from a change of a build's state. Other events are delivered at once.
    pub fn set_delivery_delay(&self, delay: Duration) {
        self.delivery.send_modify(|d| d.delay = delay);
    }

    /// Sets the time from a call to when `LookupEvents` finds it.
    pub fn set_lookup_delay(&self, delay: Duration) {
        self.state().lookup = delay;
    }

    pub(super) fn lookup_delay(&self) -> Duration {
        self.state().lookup
    }

    /// Delivers each event twice, or once again.
    pub fn set_delivery_twice(&self, twice: bool) {
        self.delivery.send_modify(|d| d.twice = twice);
    }

    /// Lets events overtake each other, or no more.
    pub fn set_delivery_reordered(&self, reordered: bool) {
        self.delivery.send_modify(|d| d.reordered = reordered);
    }

    /// Loses the events of the calls from now on, or of those from now on no more: they are recorded and can be looked up, but nothing is delivered.
    pub fn set_delivery_lost(&self, lost: bool) {
        self.state().lost = lost;
    }

    pub(super) fn delivery_lost(&self) -> bool {
        self.state().lost
    }

    /// Sends `EC2 Instance State-change Notification` for what is launched, started, stopped or terminated from now on, or no more.
    pub fn set_instance_states(&self, sent: bool) {
        self.state().instance_states = sent;
    }

    pub(super) fn instance_states(&self) -> bool {
        self.state().instance_states
    }

    /// How many `LookupEvents` were throttled for coming faster than CloudTrail allows. [`Faults::refuse_next`] does not count here.
    pub fn throttled_lookups(&self) -> u64 {
        self.state().throttled_lookups
    }

    pub(super) fn count_throttled_lookup(&self) {
        self.state().throttled_lookups += 1;
    }

    /// Where answers were of another type than the API's model says, each place once: `ssm GetParameter: .Parameter.Version is no Long`.
    pub fn misshapen_answers(&self) -> Vec<String> {
        self.state().misshapen.iter().cloned().collect()
    }

    pub(super) fn count_misshapen(&self, place: String) {
        self.state().misshapen.insert(place);
    }

    /// Holds CloudTrail's and CodeBuild's events back until [`Faults::release_delivery`]. Other events go on being delivered.
    pub fn hold_delivery(&self) {
        self.delivery.send_modify(|d| d.held = true);
    }

    /// Delivers what was held back, in order.
    pub fn release_delivery(&self) {
        self.delivery.send_modify(|d| d.held = false);
    }

    /// Refuses the next `count` calls of the operation with this error code (`ThrottlingException`, `AccessDeniedException`, ...). They are recorded as failed.
    pub fn refuse_next(&self, service: &str, operation: &str, count: u32, code: &str) {
        self.state().refusals.insert((service.to_owned(), operation.to_owned()), (count, code.to_owned()));
    }

    /// Refuses the next `count` calls of a principal that have `about` in their path or body, and counts all of these: so
    /// that those about something else go on as they were.
    pub fn refuse_about(
        &self,
        (service, operation): (&str, &str),
        principal: &str,
        about: &str,
        (count, code): (u32, &str),
    ) -> Counted {
        self.aim(&Aim { service, operation: Some(operation), principal, about }, Manner::Code(code.to_owned()), count)
    }

    /// Has calls go wrong until [`Counted::end`], and counts them.
    pub fn strike(&self, at: &Aim<'_>, manner: Manner) -> Counted {
        self.aim(at, manner, u32::MAX)
    }

    fn aim(&self, at: &Aim<'_>, manner: Manner, count: u32) -> Counted {
        let (aimed, counted) = Aimed::new(at, manner, count);
        self.state().aimed.push(aimed);
        counted
    }

    /// Answers every call of the service with a bare 503, unrecorded, until [`Faults::bring_back`].
    pub fn take_away(&self, service: &str) {
        self.state().away.insert(service.to_owned());
    }

    /// Ends [`Faults::take_away`].
    pub fn bring_back(&self, service: &str) {
        self.state().away.remove(service);
    }

    /// Lets Cloud Control answer for a resource, by CloudFormation type and identifier, with these properties.
    pub fn set_cloud_control(&self, type_name: &str, identifier: &str, properties: serde_json::Value) {
        self.state().cloud_control.insert((type_name.to_owned(), identifier.to_owned()), properties);
    }

    pub(super) fn cloud_control(&self, type_name: &str, identifier: &str) -> Option<serde_json::Value> {
        self.state().cloud_control.get(&(type_name.to_owned(), identifier.to_owned())).cloned()
    }

    /// How often the operation was called, refused calls included; by everybody when no principal is given.
    pub fn calls(&self, service: &str, operation: &str, principal: Option<&str>) -> u64 {
        let state = self.state();
        let matching = state
            .calls
            .iter()
            .filter(|((s, o, p), _)| s == service && o == operation && principal.is_none_or(|wanted| wanted == p));
        matching.map(|(_, count)| count).sum()
    }

    /// All calls so far: service, operation, principal and how often, most often first.
    pub fn all_calls(&self) -> Vec<(String, String, String, u64)> {
        let state = self.state();
        let mut all: Vec<_> =
            state.calls.iter().map(|((s, o, p), count)| (s.clone(), o.clone(), p.clone(), *count)).collect();
        all.sort_by(|a, b| (b.3, &a.0, &a.1, &a.2).cmp(&(a.3, &b.0, &b.1, &b.2)));
        all
    }

    pub(super) fn count(&self, service: &str, operation: &str, principal: String) {
        *self.state().calls.entry((service.to_owned(), operation.to_owned(), principal)).or_default() += 1;
    }

    pub(super) fn is_away(&self, service: &str) -> bool {
        self.state().away.contains(service)
    }

    /// How this call goes wrong, if it is to.
    pub(super) fn wrong(&self, request: &Request, call: &Call, principal: &str) -> Option<Manner> {
        let mut state = self.state();
        let aimed = state.aimed.iter().find(|aimed| aimed.means(request, call, principal));
        if let Some(manner) = aimed.and_then(Aimed::strike) {
            return Some(manner);
        }
        let key = (call.service.clone(), call.operation.clone());
        let (left, code) = state.refusals.get_mut(&key)?;
        let code = code.clone();
        *left = left.saturating_sub(1);
        if *left == 0 {
            state.refusals.remove(&key);
        }
        Some(Manner::Code(code))
    }

    pub(super) fn model(&self, prompt: &str) -> ModelMode {
        let state = self.state();
        let about = state.models.iter().rev().find(|(about, _)| prompt.contains(about.as_str()));
        about.map_or(state.model, |(_, mode)| *mode)
    }

    pub(super) fn slow_deletes(&self) -> Duration {
        self.state().slow
    }

    pub(super) fn delivery(&self) -> watch::Receiver<Delivery> {
        self.delivery.subscribe()
    }
}

/// The HTTP status that AWS sends with an error code.
pub(super) fn status_of(code: &str) -> u16 {
    match code {
        "ThrottlingException" | "TooManyRequestsException" => 429,
        "InternalServerError" | "InternalFailure" | "InternalServerException" => 500,
        "ServiceUnavailable" | "ServiceUnavailableException" | "SlowDown" => 503,
        c if c.starts_with("AccessDenied") => 403,
        _ => 400,
    }
}
