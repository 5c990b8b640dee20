//! In which forms logs come.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;

use flate2::{Compression, write::GzEncoder};
use reforge_scan::{Form, Input, Progress, Totals, Wanted, scan};

use crate::reference::{Scanned, scan_content, scan_paths};

const KEPT: &str = r#"{"eventSource":"dynamodb.amazonaws.com","eventName":"DeleteTable","n":"]}"}"#;
const FAILED: &str = r#"{"eventSource":"dynamodb.amazonaws.com","eventName":"DeleteTable","errorCode":"x"}"#;

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The content holds the kept record and the failed one, as often as said, and nothing else.
fn assert_holds(content: &[u8], times: usize) {
    let Scanned { totals, kept, offsets } = scan_content(content);
    let shown = String::from_utf8_lossy(&content[..content.len().min(200)]);
    assert_eq!(totals.troubles, [], "{shown}");
    assert_eq!((totals.counts.kept, totals.counts.failed), (times as u64, times as u64), "{shown}");
    assert_eq!(totals.counts.records(), 2 * times as u64, "{shown}");
    assert!(kept.iter().all(|kept| *kept == (Form::Record, KEPT.to_owned())), "{shown}");
    assert_eq!(offsets.len(), times, "{shown}");
}

#[test]
fn every_form_is_known_by_its_content() {
    let wrapped = format!(r#"{{"Records":[{KEPT},{FAILED}]}}"#);
    for content in [
        wrapped.clone(),
        format!(r#"{{"a":{{"Records":[1]}},"Records" : [ {KEPT} , {FAILED} ] , "NextToken":"]}}"}}"#),
        format!(r#"{{"Reco\u0072ds":[{KEPT},{FAILED}]}}"#),
        format!("{{\"Records\":[\n{KEPT},\n{FAILED}\n]}}\n"),
        format!("{{\n  \"Records\": [\n    {KEPT},\n    {FAILED}\n  ]\n}}\n"),
        format!("[{KEPT},{FAILED}]"),
        format!("[\n{KEPT},\n{FAILED}\n]\n"),
        format!("[{KEPT}]\n[{FAILED}]\n"),
        format!("{KEPT}\n{FAILED}\n"),
        format!("{KEPT}\r\n\r\n{FAILED}"),
        format!("{KEPT},\r\n{FAILED},\r\n"),
        format!("\u{feff}{KEPT}\n{FAILED}\n"),
        format!("\u{feff}{wrapped}"),
        format!("{KEPT}{FAILED}"),
        format!("{KEPT}\n{{\"Records\":[{FAILED}]}}\n"),
        format!("{{\"Records\":[{KEPT}]}}\n{FAILED}\n[]\n{{\"Records\":[]}}"),
        format!("{{\"Records\":[{KEPT}]}}\n{}", FAILED.replace(',', ",\n")),
    ] {
        assert_holds(content.as_bytes(), 1);
    }
    assert_holds(format!("{wrapped}{wrapped}\n{wrapped}").as_bytes(), 3);
}

#[test]
fn a_pretty_printed_record_stays_whole() {
    let pretty = KEPT.replace(',', ",\n  ").replace('{', "{\n  ");
    let scanned = scan_content(format!("{{\n\"Records\": [\n{pretty}\n]\n}}").as_bytes());
    assert_eq!(scanned.kept, [(Form::Record, pretty.clone())]);
    assert_eq!(scan_content(pretty.as_bytes()).kept, [(Form::Record, pretty)]);
}

#[test]
fn compression_is_known_by_its_content() {
    let (first, second) = (format!("{{\"Records\":[{KEPT},"), format!("{FAILED}]}}"));
    let whole = format!("{first}{second}");
    assert_holds(&gzip(whole.as_bytes()), 1);
    assert_holds(&[gzip(first.as_bytes()), gzip(second.as_bytes())].concat(), 1);
    assert_holds(&zstd::encode_all(whole.as_bytes(), 1).unwrap(), 1);
    let frames = [&first, &second].map(|part| zstd::encode_all(part.as_bytes(), 1).unwrap());
    assert_holds(&frames.concat(), 1);
}

#[test]
fn nothing_is_in_an_empty_input() {
    for content in ["", "\n", "{\"Records\":[]}", "[]"] {
        assert_holds(content.as_bytes(), 0);
    }
}

#[test]
fn a_log_larger_than_a_piece_loses_no_record_at_the_seams() {
    let many = format!("{KEPT},{FAILED},").repeat(20_000);
    let many = many.trim_end_matches(',');
    assert_holds(format!("{{\"Records\":[{many}]}}").as_bytes(), 20_000);
    assert_holds(format!("{KEPT}\n{FAILED}\n").repeat(20_000).as_bytes(), 20_000);
    assert_holds(format!("{KEPT}{FAILED}").repeat(20_000).as_bytes(), 20_000);
}

#[test]
fn a_folder_gives_its_logs_and_no_digests() {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, content: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let wrapped = gzip(format!("{{\"Records\":[{KEPT}]}}").as_bytes());
    put("CloudTrail/eu-west-1/2026/03/01/a.json.gz", &wrapped);
    put("CloudTrail/eu-west-1/2026/03/02/b.json.gz", &wrapped);
    put("CloudTrail-Digest/eu-west-1/2026/03/01/d.json.gz", &gzip(b"{}"));
    put("c.ndjson", KEPT.as_bytes());
    put("d.log", KEPT.as_bytes());
    put("e.json", KEPT.as_bytes());
    put("f.zst", &zstd::encode_all(KEPT.as_bytes(), 1).unwrap());
    put("notes.txt", b"nothing");
    let totals: Totals = scan_paths(&[folder.path()], 2).totals;
    assert_eq!((totals.inputs, totals.counts.kept, totals.counts.records()), (6, 6, 6));
    assert_eq!(totals.troubles, []);
    assert_eq!(scan_paths(&[Path::new(&folder.path().join("notes.txt"))], 1).totals.troubles.len(), 1);
}

#[test]
fn progress_ends_where_the_files_end() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.gz", "b.gz"] {
        std::fs::write(folder.path().join(name), gzip(KEPT.repeat(50_000).as_bytes())).unwrap();
    }
    let seen = Mutex::new(Vec::new());
    let note = |progress: Progress| seen.lock().unwrap().push(progress);
    let totals = scan(&[Input::Path(folder.path().into())], &Wanted::default(), NonZeroUsize::MIN, &note, &|_| {});
    let seen = seen.into_inner().unwrap();
    let total = totals.packed_bytes;
    assert!(seen.len() > 4 && seen.iter().all(|progress| progress.total == Some(total)), "{seen:?}");
    assert!(seen.is_sorted_by_key(|progress| progress.done), "{seen:?}");
    assert_eq!(seen.last().map(|progress| progress.done), Some(total));
}
