//! The table in the documents, made of what was seen.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::dependency::{Dependency, Kind, MOST};
use crate::world::ALL;

const DOCUMENT: &str = "docs/reliability.md";
const BEGIN: &str = "<!-- From here on written by the tests in tests/faults, with REFORGE_WRITE=1 -->\n";

fn table() -> String {
    let mut text = String::new();
    for of in Dependency::ALL {
        let _ = writeln!(text, "\n### {}: {}\n", of.title(), of.purpose());
        let (calls, afterwards) = (of.most_calls(), of.afterwards());
        let _ = writeln!(
            text,
            "At most {calls} calls and {MOST} writes of the Incident in the second minute; {afterwards}.\n"
        );
        let _ = writeln!(text, "| Fault | What people read |\n|---|---|");
        for kind in Kind::ALL {
            let seen = ALL.seen[&(of, kind)].as_ref().expect("all was seen");
            let _ = writeln!(text, "| {} | {} |", kind.title(), seen.said.replace('|', "\\|"));
        }
    }
    text
}

#[test]
fn the_table_in_the_documents_is_what_was_seen() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = fs::read_to_string(&path).expect("the document");
    let (prose, written) = document.split_once(BEGIN).expect("a line where the table begins");
    let table = table();
    if std::env::var_os("REFORGE_WRITE").is_some() {
        fs::write(&path, format!("{prose}{BEGIN}{table}")).expect("the document is written");
    } else {
        assert_eq!(written, table, "{DOCUMENT} says otherwise; with REFORGE_WRITE=1 this test writes it");
    }
}
