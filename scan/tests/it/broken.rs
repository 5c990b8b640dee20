//! What is wrong with an input is said, and harms nothing else.

use reforge_scan::{MAX_RECORD, What};

use crate::forms::gzip;
use crate::reference::{scan_content, scan_paths};

const KEPT: &str = r#"{"eventSource":"dynamodb.amazonaws.com","eventName":"DeleteTable"}"#;

/// Kept, unreadable, and what is said.
fn scanned(content: &[u8]) -> (u64, u64, Vec<What>) {
    let totals = scan_content(content).totals;
    (totals.counts.kept, totals.counts.unreadable, totals.troubles.into_iter().map(|trouble| trouble.what).collect())
}

fn garbage(at: u64, found: &str) -> What {
    What::Garbage { at, found: found.to_owned() }
}

#[test]
fn a_truncated_gzip_is_named_and_the_rest_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbered = String::new();
    for i in 0..50_000_u64 {
        numbered += &KEPT.replace('}', &format!(",\"n\":{}}}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    }
    let whole = gzip(numbered.as_bytes());
    std::fs::write(folder.path().join("a.json.gz"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(folder.path().join("b.json.gz"), &whole).unwrap();
    let scanned = scan_paths(&[folder.path()], 2);
    let kept = scanned.totals.counts.kept;
    assert!((70_000..80_000).contains(&kept), "{kept}");
    let said: Vec<String> = scanned.totals.troubles.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("a.json.gz") && said.iter().any(|said| said.contains("gzip contents")), "{said:?}");
    let packed_at = (whole.len() / 2) as u64;
    let names_place = |what: &What| matches!(what, What::Read { packed_at: at, .. } if *at == packed_at);
    assert!(scanned.totals.troubles.iter().any(|trouble| names_place(&trouble.what)), "{said:?}");
    assert!(said.iter().all(|said| !said.contains("b.json.gz")), "{said:?}");
}

#[test]
fn a_corrupt_gzip_is_told_by_its_checksum() {
    let mut packed = gzip(format!("{KEPT}\n").as_bytes());
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    let (kept, _, said) = scanned(&packed);
    assert_eq!(kept, 1);
    assert!(matches!(&said[..], [What::Read { at: 67, .. }]), "{said:?}");
}

#[test]
fn a_truncated_zstd_is_named() {
    let packed = zstd::encode_all(KEPT.as_bytes(), 1).unwrap();
    let (_, _, said) = scanned(&packed[..packed.len() - 4]);
    assert!(said.iter().any(|what| matches!(what, What::Read { .. })), "{said:?}");
}

#[test]
fn a_broken_line_harms_no_other() {
    let cut = &KEPT[..30];
    let nested = r#"{"a":{"b":1,"#;
    for (line, what) in [
        (cut, What::CutOff { at: 67 }),
        (nested, What::CutOff { at: 67 }),
        ("what?", garbage(67, "what?")),
        (r#"{ "a" 1}"#, garbage(73, "1}")),
        (r#"{"a":1} x"#, garbage(75, "x")),
        (r#"{"a":1}{"b":2}"#, garbage(74, r#"{"b":2}"#)),
        (r#"{"eventName":"x","userId{"eventVersion":"1"}"#, garbage(93, r#"eventVersion":"1"}"#)),
    ] {
        let content = format!("{KEPT}\n{line}\n{KEPT}\n");
        assert_eq!(scanned(content.as_bytes()), (2, 1, vec![what]), "{line}");
    }
}

#[test]
fn a_log_that_begins_with_a_broken_line_is_read_from_the_second() {
    for cut in ["ws.com\"}", &KEPT[..30], r#"{"a":{"b":1,"#] {
        let (kept, unreadable, said) = scanned(format!("{cut}\n{KEPT}\n{KEPT}\n").as_bytes());
        assert_eq!((kept, unreadable, said.len()), (2, 1, 1), "{cut}");
    }
}

#[test]
fn what_is_before_garbage_counts() {
    let content = format!("{{\"Records\":[{KEPT},{KEPT} oh,{KEPT}]}}");
    let at = 12 + 2 * KEPT.len() as u64 + 2;
    let found = format!("oh,{KEPT}")[..24].to_owned();
    assert_eq!(scanned(content.as_bytes()), (2, 1, vec![garbage(at, &found)]));
}

#[test]
fn a_cut_log_file_is_told() {
    let whole = format!("{{\"Records\":[{KEPT},{KEPT}]}}");
    let second = 12 + KEPT.len() + 1;
    assert_eq!(scanned(&whole.as_bytes()[..second + 9]), (1, 1, vec![What::CutOff { at: second as u64 }]));
    assert_eq!(scanned(&whole.as_bytes()[..second]), (1, 0, vec![What::ListCutOff { at: second as u64 }]));
    let end = whole.len() - 1;
    assert_eq!(scanned(&whole.as_bytes()[..end]), (2, 0, vec![What::ListCutOff { at: end as u64 }]));
}

#[test]
fn a_record_that_is_too_long_is_passed_over() {
    let padded = |length: usize| {
        let pad = length - KEPT.len() - 7;
        KEPT.replace('}', &format!(r#","p":"{}"}}"#, "}".repeat(pad)))
    };
    for (length, kept, unreadable) in
        [(MAX_RECORD, 3, 0), (MAX_RECORD + 1, 2, 1), (MAX_RECORD * 2, 2, 1), (5_000_000, 2, 1)]
    {
        let long = padded(length);
        assert_eq!(long.len(), length);
        for (content, at) in [
            (format!("{KEPT}\n{long}\n{KEPT}\n"), KEPT.len() + 1),
            (format!("{{\"Records\":[{KEPT},{long},{KEPT}]}}"), KEPT.len() + 13),
            (format!("[{KEPT},{long},{KEPT}]"), KEPT.len() + 2),
            (format!("{KEPT}{long}{KEPT}"), KEPT.len()),
            (format!("{KEPT}\n{KEPT}\n{long}"), 2 * KEPT.len() + 2),
        ] {
            let said = if unreadable == 0 { vec![] } else { vec![What::TooLong { at: at as u64 }] };
            assert_eq!(scanned(content.as_bytes()), (kept, unreadable, said), "{length} {}", &content[..9]);
        }
    }
}

#[test]
fn what_is_no_log_is_told_in_few_words() {
    let (kept, unreadable, said) = scanned("2026-03-01 INFO started\n".repeat(5_000).as_bytes());
    assert_eq!((kept, unreadable), (0, 1));
    assert_eq!(said, [garbage(0, "2026-03-01 INFO started\n")]);
    let (_, unreadable, said) = scanned(format!("{KEPT}\n{}", "oh\n".repeat(5_000)).as_bytes());
    assert_eq!((unreadable, said.len()), (5_000, 10));
    assert_eq!(said[0], garbage(67, "oh"));
}

#[test]
fn a_file_that_is_not_there_is_told_and_the_rest_is_done() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEPT).unwrap();
    let totals = scan_paths(&["/no/such/file".as_ref(), file.path()], 2).totals;
    assert_eq!(totals.counts.kept, 1);
    assert!(matches!(totals.troubles[0].what, What::Open(_)));
    assert_eq!(totals.troubles[0].input.to_str(), Some("/no/such/file"));
}

#[test]
fn brackets_without_end_cost_no_stack() {
    let deep = r#"{"Records":["#.repeat(50_000);
    assert_eq!(scanned(deep.as_bytes()).0, 0);
    assert_eq!(scanned(format!("{KEPT}\n{deep}\n{KEPT}\n").as_bytes()).0, 2);
}
