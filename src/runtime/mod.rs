//! What any server needs: [`settings`], probes and metrics over [`http`], [`telemetry`], and the gate that opens and closes
//! intake.

pub mod gate;
pub mod http;
pub mod metrics;
pub mod settings;
pub mod telemetry;
