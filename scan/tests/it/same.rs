//! Whatever the records, the form and the number of threads: the same as serde_json's.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use crate::forms::gzip;
use crate::reference::{judge, scan_content};

/// A JSON text's value, nested at most as deep as said, which may hold what matters elsewhere.
fn value(depth: u32) -> BoxedStrategy<String> {
    let plain = select(vec![
        "null",
        "true",
        "false",
        "0",
        "-1.5e3",
        r#""""#,
        r#""true""#,
        r#""TRUE""#,
        r#""tr\u0075e""#,
        r#""x\\""#,
        r#""\"errorCode\":1""#,
        r#""errorCode""#,
        r#""DeleteTable""#,
        r#""Delete\u0054able""#,
        r#""Ω{[""#,
        r#""dynamodb.amazonaws.com""#,
        r#""AWS API Call via CloudTrail""#,
        r#""]}\\\"""#,
        r#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#,
        r#""DeleteFunction20150331""#,
        r#""lambda.amazonaws.com""#,
        "{}",
        "[]",
    ])
    .prop_map(str::to_owned);
    if depth == 0 {
        return plain.boxed();
    }
    let list = prop::collection::vec(value(depth - 1), 0..3).prop_map(|items| format!("[{}]", items.join(",")));
    prop_oneof![6 => plain, 1 => list, 2 => object(depth - 1, false)].boxed()
}

/// An object; a record, if it is to be one, names a call.
fn object(depth: u32, is_record: bool) -> BoxedStrategy<String> {
    let key = select(vec![
        "errorCode",
        "readOnly",
        "eventName",
        "eventSource",
        "detail",
        "detail-type",
        "a",
        "",
        r"x\\",
        r"\u0065rrorCode",
        r"event\u004eame",
        r#"errorCode\""#,
        "eventTime",
        "errorMessage",
        r"read\u004fnly",
        "Ω",
    ]);
    let blank = || select(vec!["", "", "", "", "", " ", "\t ", "\r"]);
    let member =
        (key, blank(), value(depth), blank()).prop_map(|(key, a, value, b)| format!("\"{key}\"{a}:{b}{value}{a}"));
    let names = select(vec![
        r#""eventSource":"dynamodb.amazonaws.com","eventName":"DeleteTable""#,
        r#""eventName":"DeleteFunction20150331","eventSource":"lambda.amazonaws.com""#,
        r#""eventName":"DeleteTable","eventSource":"glue.amazonaws.com""#,
    ]);
    (prop::collection::vec(member, 0..8), names, any::<prop::sample::Index>(), blank())
        .prop_map(move |(mut members, names, at, blank)| {
            if is_record {
                members.insert(at.index(members.len() + 1), names.to_owned());
            }
            format!("{{{blank}{}}}", members.join(","))
        })
        .boxed()
}

/// A record, or an envelope around one.
fn record() -> BoxedStrategy<String> {
    let kind = select(vec!["AWS API Call via CloudTrail", "AWS API Call \\u0076ia CloudTrail", "AWS Service Event"]);
    let envelope = (kind, object(2, true), any::<bool>()).prop_map(|(kind, detail, detail_first)| {
        let (kind, detail) = (format!("\"detail-type\":\"{kind}\""), format!("\"detail\":{detail}"));
        if detail_first { format!("{{{detail},{kind}}}") } else { format!("{{\"version\":\"0\",{kind},{detail}}}") }
    });
    prop_oneof![3 => object(3, true), 1 => envelope, 1 => object(1, false)].boxed()
}

/// Records in each form.
fn forms(records: &[String]) -> Vec<Vec<u8>> {
    let joined = records.join(",");
    let mut texts = vec![
        format!("{{\"Records\":[{joined}]}}"),
        format!("{{ \"Records\" : [\n  {}\n] }}", records.join(" ,\n  ")),
        format!("[{joined}]"),
        records.join("\n"),
        records.concat(),
        records.iter().fold(String::new(), |mut text, record| {
            let _ = writeln!(text, "{{\"Records\":[{record}]}}");
            text
        }),
    ];
    texts.push(texts[3].replace('\n', "\r\n\r\n"));
    let mut forms: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    forms.push(gzip(&forms[0]));
    forms.push(zstd::encode_all(&forms[3][..], 1).unwrap());
    forms
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_form_gives_the_same_result_for_any_number_of_threads(
        records in prop::collection::vec(record(), 1..12),
        times in select(vec![1, 1, 1, 1, 1, 1, 1, 1, 1, 300]),
    ) {
        let records: Vec<String> = records.iter().cycle().take(records.len() * times).cloned().collect();
        let (counts, kept) = judge(records.iter().map(String::as_str));
        for form in forms(&records) {
            let scanned = scan_content(&form);
            prop_assert_eq!(&scanned.totals.troubles, &[], "{}", String::from_utf8_lossy(&form));
            prop_assert_eq!(scanned.totals.counts, counts, "{}", String::from_utf8_lossy(&form));
            prop_assert_eq!(&scanned.kept, &kept);
            prop_assert_eq!(scanned.offsets.len(), kept.len());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(select(b"{}[]\",:\\ \nn1aRecords".to_vec()), 0..300)) {
        scan_content(&bytes);
        scan_content(&[b"{\"Records\":[".as_slice(), &bytes].concat());
        scan_content(&[b"{}\n{}\n".as_slice(), &bytes].concat());
    }
}
