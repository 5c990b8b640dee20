//! What is counted, for Prometheus.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use reforge_api::IncidentStatus;

/// One label and its value: a reason, a type or a step. Never anything that an event's author can choose freely.
type Label = [(&'static str, String); 1];

/// Every counter of the operator. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Messages taken from the queue.
    pub messages_received: Counter,
    /// Events whose Incident was there already.
    pub redelivered: Counter,
    /// Reconciles that ended in an error.
    pub reconcile_errors: Counter,
    /// Events that the queue never brought, and the sweep found.
    pub events_missed: Counter,
    /// Ended Incidents that were kept for long enough, and deleted.
    pub incidents_deleted: Counter,
    /// Sweeps that did not get through.
    pub sweeps_failed: Counter,
    /// When the last canary that came back was written, in seconds since the Unix epoch.
    pub canary_seen: Gauge,
    /// Messages to people that could not be sent.
    pub notifications_failed: Counter,
    /// 1 while this replica does not lead since one of a newer version has.
    pub too_old_to_lead: Gauge,
    dropped: Family<Label, Counter>,
    dead_lettered: Family<Label, Counter>,
    refused: Family<Label, Counter>,
    opened: Family<Label, Counter>,
    steps: Family<Label, Counter>,
}

impl Metrics {
    /// Counts a record that opened no Incident; gives back how many there were for the reason, this one among them.
    pub fn dropped(&self, reason: &str) -> u64 {
        self.dropped.get_or_create(&label("reason", reason)).inc() + 1
    }

    /// Counts a message that went to the dead-letter queue.
    pub fn dead_lettered(&self, reason: &str) {
        self.dead_lettered.get_or_create(&label("reason", reason)).inc();
    }

    /// Counts an Incident that could not be stored, while others can be.
    pub fn refused(&self, reason: &str) {
        self.refused.get_or_create(&label("reason", reason)).inc();
    }

    /// How many Incidents could not be stored for this reason so far.
    pub fn refused_so_far(&self, reason: &str) -> u64 {
        self.refused.get_or_create(&label("reason", reason)).get()
    }

    /// Counts a new Incident.
    pub fn opened(&self, r#type: &str) {
        self.opened.get_or_create(&label("type", r#type)).inc();
    }

    /// Counts a step that was taken, once it is written.
    pub fn step(&self, status: &IncidentStatus) {
        self.steps.get_or_create(&label("step", &format!("{:?}", status.step.name))).inc();
    }

    /// How many records were dropped for this reason so far.
    pub fn dropped_so_far(&self, reason: &str) -> u64 {
        self.dropped.get_or_create(&label("reason", reason)).get()
    }

    /// A registry with all of them.
    pub fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("reforge");
        all.register("messages_received", "Messages taken from the queue", self.messages_received.clone());
        all.register("events_redelivered", "Events whose Incident was there already", self.redelivered.clone());
        all.register("events_dropped", "Records that opened no Incident, by reason", self.dropped.clone());
        all.register("messages_dead_lettered", "Messages for people to mend, by reason", self.dead_lettered.clone());
        all.register("incidents_refused", "Incidents that could not be stored, by reason", self.refused.clone());
        all.register("incidents_opened", "New Incidents, by resource type", self.opened.clone());
        all.register("incident_steps", "Steps taken by Incidents, by step", self.steps.clone());
        all.register("events_missed", "Events that the queue never brought", self.events_missed.clone());
        all.register("incidents_deleted", "Ended Incidents kept for long enough", self.incidents_deleted.clone());
        all.register("sweeps_failed", "Sweeps over CloudTrail that did not get through", self.sweeps_failed.clone());
        all.register("canary_seen_timestamp_seconds", "When the last canary was written", self.canary_seen.clone());
        all.register("reconcile_errors", "Reconciles that ended in an error", self.reconcile_errors.clone());
        all.register("notifications_failed", "Messages to people not sent", self.notifications_failed.clone());
        all.register("too_old_to_lead", "1 where a newer version has led", self.too_old_to_lead.clone());
        all
    }
}

fn label(name: &'static str, value: &str) -> Label {
    [(name, value.to_owned())]
}
