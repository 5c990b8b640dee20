//! A small chaos run; `cargo xtask chaos` makes large ones.

use std::path::Path;
use std::time::Instant;

use sandbox::Sandbox;
use sandbox::chaos::{Chaos, SETUP, run};

#[test]
fn whatever_is_killed_or_away_nothing_is_lost_and_nothing_done_twice() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let start = Instant::now();
        let say = |what: &str| eprintln!("chaos: [{} s] {what}", start.elapsed().as_secs());
        let sandbox =
            Sandbox::start_with(Path::new(env!("CARGO_MANIFEST_DIR")), SETUP, say).await.expect("the sandbox starts");
        let settings = sandbox.install_chart().await.expect("the chart is installed");
        let chaos = Chaos { incidents: 6, kills: 6, seed: 20_261_125 };
        let program = Path::new(env!("CARGO_BIN_EXE_reforge"));
        let summary = run(&sandbox, program, &settings, chaos, say).await.expect("the run");
        sandbox.stop().await;
        assert!(summary.is_good(), "{summary:#?}");
        assert!(summary.incidents >= chaos.incidents && summary.kills == chaos.kills, "{summary:#?}");
    });
}
