//! A small chaos run; `cargo xtask chaos` makes large ones.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sandbox::Sandbox;
use sandbox::chaos::{Builds, Chaos, SETUP, prepare, run};

#[test]
fn whatever_is_killed_or_away_nothing_is_lost_and_nothing_done_twice() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let start = Instant::now();
        let say = |what: &str| eprintln!("chaos: [{} s] {what}", start.elapsed().as_secs());
        let sandbox =
            Sandbox::start_with(Path::new(env!("CARGO_MANIFEST_DIR")), SETUP, say).await.expect("the sandbox starts");
        let settings = sandbox.install_chart().await.expect("the chart is installed");
        let program = Path::new(env!("CARGO_BIN_EXE_reforge"));
        // Another one each time: `cargo xtask chaos --seed` makes the same choices again.
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        for (builds, count) in [(Builds::Terraform, 6), (Builds::Scripted, 12)] {
            prepare(&sandbox, builds).await.expect("what is to be broken");
            let chaos = Chaos { builds, incidents: count, kills: count, seed };
            let summary = run(&sandbox, program, &settings, chaos, say).await.expect("the run");
            assert!(summary.is_good(), "{summary:#?}");
            assert!(summary.incidents >= chaos.incidents && summary.kills == chaos.kills, "{summary:#?}");
        }
        sandbox.stop().await;
    });
}
