//! The same judgement, made in the simple way: serde_json reads everything, and what the operator does is done.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use reforge_scan::{Counts, Form, Input, Totals, Wanted, scan};
use serde_json::Value;

/// What the tests ask for.
pub const WANTED: [(&str, &str); 2] =
    [("dynamodb.amazonaws.com", "DeleteTable"), ("lambda.amazonaws.com", "DeleteFunction")];

/// A record that is kept: in which form it came, and its text.
pub type KeptText = (Form, String);

/// What a scan gave.
pub struct Scanned {
    pub totals: Totals,
    pub kept: Vec<KeptText>,
    pub offsets: BTreeSet<(PathBuf, u64)>,
}

/// Scans paths.
pub fn scan_paths(paths: &[&Path], threads: usize) -> Scanned {
    let inputs: Vec<Input> = paths.iter().map(|path| Input::Path(path.into())).collect();
    let kept = Mutex::new(Vec::new());
    let keep = |found: reforge_scan::Kept<'_>| {
        let text = String::from_utf8(found.text.to_vec()).unwrap();
        kept.lock().unwrap().push(((found.form, text), (found.input.to_owned(), found.offset)));
    };
    let threads = NonZeroUsize::new(threads).unwrap();
    let totals = scan(&inputs, &Wanted::from_iter(WANTED), threads, &|_| {}, &keep);
    let (mut kept, offsets): (Vec<_>, BTreeSet<_>) = kept.into_inner().unwrap().into_iter().unzip();
    kept.sort();
    Scanned { totals, kept, offsets }
}

/// Scans one input of this content, on one thread and on three; both have to give the same.
pub fn scan_content(content: &[u8]) -> Scanned {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let [one, three] = [1, 3].map(|threads| scan_paths(&[file.path()], threads));
    assert_eq!((&one.totals, &one.kept, &one.offsets), (&three.totals, &three.kept, &three.offsets));
    one
}

/// Judges records or envelopes.
pub fn judge<'a>(texts: impl IntoIterator<Item = &'a str>) -> (Counts, Vec<KeptText>) {
    let (mut counts, mut kept) = (Counts::default(), Vec::new());
    for text in texts {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            counts.unreadable += 1;
            continue;
        };
        let is_envelope = value["detail-type"].is_string() && value["detail"].is_object();
        let form = if is_envelope { Form::Envelope } else { Form::Record };
        if is_envelope && value["detail-type"] != "AWS API Call via CloudTrail" {
            counts.other_kind += 1;
            continue;
        }
        *count(if is_envelope { &value["detail"] } else { &value }, &mut counts) += 1;
        if counts.kept > kept.len() as u64 {
            kept.push((form, text.to_owned()));
        }
    }
    kept.sort();
    (counts, kept)
}

fn count<'a>(record: &Value, counts: &'a mut Counts) -> &'a mut u64 {
    let text = |field: &str| record[field].as_str().filter(|text| !text.is_empty());
    let (Some(source), Some(name)) = (text("eventSource"), text("eventName")) else { return &mut counts.nameless };
    let read_only = match &record["readOnly"] {
        Value::Bool(yes) => *yes,
        Value::String(word) => word.eq_ignore_ascii_case("true"),
        _ => false,
    };
    if record["errorCode"].is_string() {
        &mut counts.failed
    } else if read_only {
        &mut counts.read_only
    } else if WANTED.contains(&(source, name.trim_end_matches("20150331"))) {
        &mut counts.kept
    } else {
        &mut counts.not_in_catalogue
    }
}
