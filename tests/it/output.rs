//! Whoever reads what a command prints may stop reading.

use std::process::{Command, Output, Stdio};

/// Runs it with an output that nobody reads.
fn unread(program: &str, args: &[&str], both: bool) -> Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(program);
    command.args(args);
    if both {
        command.stderr(writer.try_clone().expect("another end"));
    } else {
        command.stderr(Stdio::piped());
    }
    command.stdout(writer).spawn().expect("it starts").wait_with_output().expect("it ends")
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let policy = crate::shape::policy("shop").to_string();
    std::fs::write(path("policies.yaml"), policy).expect("written");
    std::fs::write(path("log.json"), "{\"Records\": []}").expect("written");
    let (policies, log) = (path("policies.yaml"), path("log.json"));
    for args in [
        vec!["crds"],
        vec!["catalog"],
        vec!["catalog", "--format", "json"],
        vec!["event-pattern"],
        vec!["backtest", "--policies", &policies, &log],
        vec!["backtest", "--policies", &policies, &log, "--format", "json"],
        vec!["backtest", "--policies", &policies, &log, "--format", "html"],
    ] {
        let ended = unread(env!("CARGO_BIN_EXE_reforge"), &args, false);
        let complaints = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!((ended.status.code(), complaints.as_str()), (Some(0), ""), "{args:?}");
    }
    let nothing = unread(env!("CARGO_BIN_EXE_reforge"), &["backtest", "--policies", &policies, "missing"], true);
    assert_eq!(nothing.status.code(), Some(1), "a fault is one, whether or not anybody reads of it");
}
