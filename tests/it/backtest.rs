//! `reforge backtest`: the same result for every form of the same log and any number of threads, by the records' clock.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A record of a call at a minute of an hour.
fn record(id: &str, minute: u32, source: &str, name: &str, parameters: &Value) -> Value {
    json!({
        "eventVersion": "1.10",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory", "userName": "mallory"},
        "eventTime": format!("2026-01-02T{:02}:{:02}:05Z", minute / 60, minute % 60),
        "eventSource": source,
        "eventName": name,
        "awsRegion": "eu-west-1",
        "requestParameters": parameters,
        "responseElements": null,
        "eventID": id,
        "readOnly": false,
        "recipientAccountId": "111122223333",
    })
}

fn table(id: &str, minute: u32, name: &str) -> Value {
    record(id, minute, "dynamodb.amazonaws.com", "DeleteTable", &json!({"tableName": name}))
}

fn log() -> Vec<Value> {
    let mut failed = table("failed", 3, "orders");
    failed["errorCode"] = json!("AccessDenied");
    let mut reads = record("reads", 4, "dynamodb.amazonaws.com", "DescribeTable", &json!({"tableName": "orders"}));
    reads["readOnly"] = json!(true);
    let parameter =
        |id, minute| record(id, minute, "ssm.amazonaws.com", "PutParameter", &json!({"name": "/app/<b>mode</b>"}));
    let mut odd = parameter("odd", 6);
    odd["requestParameters"]["name"] = json!("/app/mode");
    vec![
        table("late", 30, "orders"),
        table("first", 1, "orders"),
        failed,
        reads,
        record("other", 5, "glue.amazonaws.com", "GetTables", &json!({})),
        odd,
        parameter("hostile", 7),
        record("unmatched", 8, "sqs.amazonaws.com", "DeleteQueue", &json!({"queueUrl": "https://sqs/1/q"})),
    ]
}

const POLICIES: &str = r#"
apiVersion: reforge.dev/v1alpha1
kind: RecoveryPolicy
metadata: {name: tables, namespace: shop}
spec:
  mode: Enforce
  match: {resourceTypes: [dynamodb]}
  recovery: {workspaces: [{name: shop, project: apply, planProject: plan}]}
  approval: {mode: Never}
  limits: {cooldown: 1h}
---
apiVersion: reforge.dev/v1alpha1
kind: RecoveryPolicy
metadata: {name: parameters, namespace: shop}
spec:
  mode: Enforce
  match: {resourceTypes: [ssm]}
  recovery: {workspaces: [{name: shop, project: apply, planProject: plan}]}
  windows: [{deny: {from: "00:00", to: "01:00", timeZone: UTC}}]
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        fs::write(place.path("policies.yaml"), POLICIES).expect("written");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    /// Runs the command; what it printed, what it complained of, and its status.
    fn run(&self, logs: &[&Path], options: &[&str], input: &[u8]) -> (String, String, i32) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reforge"))
            .args(["backtest", "--policies"])
            .arg(self.path("policies.yaml"))
            .args(options)
            .args(logs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().expect("an input").write_all(input).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (text(output.stdout), text(output.stderr), output.status.code().expect("a status"))
    }

    fn json(&self, log: &Path, options: &[&str], input: &[u8]) -> Value {
        let (out, complaints, status) = self.run(&[log], &[&["--format", "json"], options].concat(), input);
        assert_eq!(status, 0, "{complaints}");
        let mut report: Value = serde_json::from_str(&out).expect("JSON");
        // What differs between forms of one log.
        for name in ["seconds", "bytes", "inputs", "inputsTotal"] {
            report.as_object_mut().expect("an object").remove(name);
        }
        report
    }
}

fn records(log: &[Value]) -> Vec<u8> {
    json!({"Records": log}).to_string().into_bytes()
}

fn lines(log: &[Value]) -> Vec<u8> {
    let lines: Vec<String> = log.iter().map(ToString::to_string).collect();
    (lines.join("\n") + "\n").into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

#[test]
fn every_form_of_a_log_and_any_number_of_threads_give_the_same_report() {
    let (place, log) = (Place::new(), log());
    let envelope = |r: &Value| {
        json!({"version": "0", "id": "x", "detail-type": "AWS API Call via CloudTrail", "source": "aws.x",
            "account": "111122223333", "time": r["eventTime"], "region": "eu-west-1", "resources": [], "detail": r})
    };
    let envelopes: Vec<Value> = log.iter().map(envelope).collect();
    let plain = place.write("plain.json", &records(&log));
    let wanted = place.json(&plain, &["--threads", "1"], b"");
    assert_eq!(wanted["records"], 8);
    let expected = json!({"FailedCall": 1, "ReadOnly": 1, "NotInCatalogue": 1, "NoPolicy": 1, "InvalidId": 1});
    assert_eq!(wanted["dropped"], expected);
    let folder = place.path("folder");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("a.json"), records(&log[..3])).expect("written");
    fs::write(folder.join("b.json.gz"), gzip(&records(&log[3..]))).expect("written");
    let forms = [
        place.write("lines", &lines(&log)),
        place.write("envelopes", &lines(&envelopes)),
        place.write("records.gz", &gzip(&records(&log))),
        place.write("lines.zst", &zstd::encode_all(&lines(&log)[..], 3).expect("compressed")),
        place.write("pretty.json", format!("{:#}", json!({"Records": log})).as_bytes()),
        folder,
    ];
    for form in &forms {
        for threads in ["1", "2", "5"] {
            assert_eq!(place.json(form, &["--threads", threads], b""), wanted, "{} {threads}", form.display());
        }
    }
    assert_eq!(place.json(Path::new("-"), &[], &records(&log)), wanted, "standard input");
}

#[test]
fn limits_and_windows_are_judged_by_the_clock_of_the_records() {
    let place = Place::new();
    let report = place.json(&place.write("log", &lines(&log())), &[], b"");
    let incidents = report["incidents"].as_array().expect("Incidents");
    let of = |id: &str| incidents.iter().find(|i| i["eventId"] == id).unwrap_or_else(|| panic!("{id}: {report:#}"));
    assert_eq!(
        incidents.iter().map(|i| i["eventId"].as_str().expect("an id")).collect::<Vec<_>>(),
        ["first", "odd", "late"]
    );
    assert_eq!((&of("first")["decision"], &of("first")["verdict"]), (&json!("Go"), &json!("Failure")));
    let late = of("late");
    assert_eq!(late["decision"], "Wait", "29 minutes after the first, within the cool-down");
    assert!(late["reasons"][0].as_str().is_some_and(|r| r.contains("limits.cooldown is 1h")), "{late:#}");
    assert_eq!(of("odd")["decision"], "Wait", "the window denies the first hour of the day");
    assert_eq!(report["builds"], json!({"plan": 3, "apply": 3}));
}

#[test]
fn an_exported_policy_is_judged_as_if_it_had_always_been_there() {
    let place = Place::new();
    let log = place.write("log", &lines(&log()));
    let wanted = place.json(&log, &[], b"");
    let exported =
        POLICIES.replace("namespace: shop}", "namespace: shop, creationTimestamp: \"2026-11-26T00:00:00Z\"}");
    place.write("policies.yaml", exported.as_bytes());
    assert_eq!(place.json(&log, &[], b""), wanted);
}

#[test]
fn what_terraform_does_not_own_is_not_managed() {
    let place = Place::new();
    let inventory = json!({"workspace": "shop", "accountId": "111122223333", "region": "eu-west-1",
        "backend": {"bucket": "b", "key": "k"},
        "resources": [{"address": "aws_ssm_parameter.mode", "type": "aws_ssm_parameter", "attributes": {"id": "/app/mode"}}]});
    let inventory = place.write("inventory.json", inventory.to_string().as_bytes());
    let options = ["--inventory", inventory.to_str().expect("a path")];
    let report = place.json(&place.write("log", &lines(&log())), &options, b"");
    assert_eq!(report["decisions"], json!({"NotManaged": 2, "Wait": 1}));
}

#[test]
fn what_a_policy_takes_that_cannot_be_used_is_held() {
    let place = Place::new();
    let broken = POLICIES.replace("timeZone: UTC", "timeZone: Europe/Atlantis");
    fs::write(place.path("policies.yaml"), broken).expect("written");
    let report = place.json(&place.write("log", &lines(&log())), &[], b"");
    assert_eq!(report["decisions"], json!({"Go": 1, "Held": 1, "Wait": 1}), "{report:#}");
}

#[test]
fn a_broken_file_is_named_and_the_rest_is_still_done() {
    let (place, log) = (Place::new(), log());
    let whole = gzip(&lines(&log));
    let broken = place.write("broken.gz", &whole[..whole.len() - 20]);
    let good = place.write("good.json", &records(&log));
    let (out, complaints, status) = place.run(&[&broken, &good], &["--format", "json"], b"");
    assert_eq!(status, 2, "{complaints}");
    assert!(complaints.contains("broken.gz"), "{complaints}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["incidentsTotal"], 3, "an event that is in both is one");
    assert!(report["inputs"][0]["name"].as_str().is_some_and(|n| n.contains("broken.gz")));
}

#[test]
fn the_exit_status_fits_for_ci() {
    let place = Place::new();
    let log = place.write("log", &lines(&log()));
    assert_eq!(place.run(&[&log], &["--fail-on", "ask,refuse"], b"").2, 0);
    assert_eq!(place.run(&[&log], &["--fail-on", "wait"], b"").2, 3);
    let (_, complaints, status) = place.run(&[Path::new("/there/is/none")], &[], b"");
    assert_eq!(status, 1);
    assert!(complaints.contains("there is no /there/is/none"), "{complaints}");
}

#[test]
fn the_page_holds_hostile_text_as_text_and_needs_nothing_else() {
    let place = Place::new();
    let mut log = log();
    log[1]["userIdentity"]["arn"] = json!("</script><img src=x onerror=alert(1)>");
    let (page, complaints, status) = place.run(&[&place.write("log", &lines(&log))], &["--format", "html"], b"");
    assert_eq!(status, 0, "{complaints}");
    assert!(!page.contains("<img") && page.contains("\\u003c/script>\\u003cimg"), "the data has no tags");
    for outside in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let (_, data) = page.split_once("id=\"report\">").expect("the data");
    let data: Value = serde_json::from_str(data.split_once("</script>").expect("its end").0).expect("JSON");
    assert_eq!(data["incidents"].as_array().map(Vec::len), Some(3));
}

/// A headless Chromium, where the machine has one.
fn chromium() -> Option<&'static str> {
    let answers = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(answers)
}

#[test]
fn a_browser_shows_the_page_in_light_and_dark_and_on_a_phone() {
    let Some(chromium) = chromium() else {
        eprintln!("skipped: there is no Chromium on this machine");
        return;
    };
    let place = Place::new();
    let mut log = log();
    log[1]["userIdentity"]["arn"] = json!("</script><img src=x onerror=alert(1)>");
    let (page, ..) = place.run(&[&place.write("log", &lines(&log))], &["--format", "html"], b"");
    let page = format!("file://{}", place.write("page.html", page.as_bytes()).display());
    let profile = format!("--user-data-dir={}", place.path("profile").display());
    let browse = |options: &[&str]| {
        let always = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", &profile];
        let output = Command::new(chromium).args(always).args(options).arg(&page).output().expect("a browser");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = browse(&["--dump-dom"]);
    let body = shown.split_once("id=\"report\"").expect("the data").0;
    for part in ["What Reforge would have done", "DeleteTable", "/app/mode", "shop/tables"] {
        assert!(body.contains(part), "{part} is not shown");
    }
    assert!(!body.contains("<img"), "hostile text is text");
    let mut pictures = Vec::new();
    for (name, size, dark) in
        [("light.png", "1280,1600", false), ("dark.png", "1280,1600", true), ("phone.png", "360,1600", false)]
    {
        let file = place.path(name);
        let (shot, size) = (format!("--screenshot={}", file.display()), format!("--window-size={size}"));
        let mut options = vec![shot.as_str(), size.as_str()];
        if dark {
            options.push("--blink-settings=preferredColorScheme=0");
        }
        browse(&options);
        pictures.push(fs::read(&file).expect("a picture"));
    }
    // What is blank is compressed to next to nothing; a page that knows no dark looks the same in both.
    assert!(pictures.iter().all(|p| p.len() > 20_000), "{:?}", pictures.iter().map(Vec::len).collect::<Vec<_>>());
    assert_ne!(pictures[0], pictures[1]);
}

#[test]
fn a_storm_is_noticed_by_the_records_clock() {
    let place = Place::new();
    let policies = POLICIES.replace("cooldown: 1h", "cooldown: 0s, stormThreshold: 3, stormWindow: 5m");
    fs::write(place.path("policies.yaml"), policies).expect("written");
    let log: Vec<Value> = (0..8).map(|i| table(&format!("e{i}"), i / 4, &format!("t{i}00"))).collect();
    let report = place.json(&place.write("log", &lines(&log)), &[], b"");
    assert_eq!(report["storms"].as_array().map(Vec::len), Some(1), "{report:#}");
    assert_eq!(report["storms"][0]["incidents"], 8);
    assert_eq!(report["decisions"], json!({"Ask": 5, "Go": 3}));
}
