//! Two changes of one workspace.

use sandbox::Caller;
use sandbox::incident::phase;

use crate::world::{RIGHT, side_by_side};

#[test]
fn two_incidents_of_one_workspace_never_apply_at_once() {
    side_by_side(async |stage| {
        let here = stage.here();
        let tamper = async |value: &str| {
            here.opened_by("ssm", async || stage.put(Caller::Mallory, &stage.parameter, value).await).await
        };
        let first = tamper("hacked").await;
        let second = tamper("hacked again").await;
        let (one, two) = (here.ended(&first).await, here.ended(&second).await);
        assert_eq!(phase(&one), "Recovered", "{one:#}");
        // The first one's apply covered the second as well, or the second had one of its own.
        assert_eq!(phase(&two), "Recovered", "{two:#}");
        assert_eq!(stage.value().await, RIGHT);
        let all: Vec<_> = [stage.builds(&first, ""), stage.builds(&second, "")].concat();
        for a in &all {
            for b in all.iter().filter(|b| b.id != a.id) {
                let (Some(a_end), Some(b_end)) = (a.end, b.end) else { panic!("a build has not ended") };
                assert!(a_end <= b.start || b_end <= a.start, "{} and {} ran at once", a.id, b.id);
            }
        }
    });
}

#[test]
fn what_has_ended_is_four_kilobytes_with_what_was_applied_and_why() {
    side_by_side(async |stage| {
        let mut incident = stage.broken_and_ended().await;
        incident["metadata"].as_object_mut().expect("metadata").remove("managedFields");
        let size = incident.to_string().len();
        assert!(size <= 4096, "{size} bytes: {incident:#}");
        let status = &incident["status"];
        let build = &status["recovery"]["build"];
        assert_eq!(status["recovery"]["committedTo"], status["plan"]["digest"]);
        assert!(build["url"].is_string() && build["status"] == "SUCCEEDED", "{build}");
        assert!(status["recovery"]["appliedVersion"].is_string() && status["gate"]["decision"] == "Go", "{status:#}");
    });
}
