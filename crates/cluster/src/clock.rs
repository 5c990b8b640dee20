//! The wall clock. Only what does something looks at it; what decides is given the time.

use reforge_api::Time;

/// Now.
pub fn now() -> Time {
    Time(jiff::Timestamp::now().as_millisecond())
}
