//! The model with a small bound, as part of every test run; `cargo xtask model-check` goes further.

use reforge_model::{Bound, explore};

#[test]
fn every_property_holds_and_every_broken_variant_is_caught() {
    let report = explore(Bound { states_each: 45_000 });
    assert!(report.is_good(), "{report:#?}");
    assert!(report.states > 100_000, "{}", report.states);
    let whole = report.runs.iter().filter(|run| run.all).count();
    assert!(whole >= 10, "{:#?}", report.runs);
}
