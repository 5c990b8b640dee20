//! The pages under docs/ say nothing that is not so.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn sources(folder: &Path, functions: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, functions);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&entry).expect("a source");
            let names = text.lines().filter_map(|line| {
                let line = line.trim_start();
                line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")
            });
            functions.extend(names.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
        }
    }
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut functions = BTreeSet::new();
    for folder in ["src", "crates", "tests", "model", "scan"] {
        sources(&root.join(folder), &mut functions);
    }
    let page = fs::read_to_string(root.join("docs/safety.md")).expect("the page");
    let mut promises = 0;
    for row in page.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| Promise") && !l.starts_with("|---")) {
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().expect("a last column");
        let tests: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test shows: {row}");
        for test in tests {
            assert!(functions.contains(test), "there is no test {test}, which is to show: {row}");
        }
        promises += 1;
    }
    assert!(promises >= 25, "only {promises} promises were found");
}
