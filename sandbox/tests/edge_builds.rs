//! CodeBuild: builds run for real.
#![allow(missing_docs)]

mod edge_support;
use edge_support::{World, within};
use serde_json::json;
use std::io::Write as _;
use std::time::Duration;

const TALKATIVE: &str = "version: 0.2
env:
  variables: {FROM_SPEC: s, OVERRIDDEN: s}
  exported-variables: [ANSWER]
phases:
  install:
    commands:
      - export CARRIED=over
      - cd /tmp
  build:
    commands:
      - echo \"env $FROM_SPEC $FROM_PROJECT $OVERRIDDEN $CARRIED $(pwd) $CODEBUILD_BUILD_SUCCEEDING\"
      - export ANSWER=\"forty two\"
  post_build:
    commands: [\"echo in $CODEBUILD_BUILD_ID\"]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_build_runs_its_phases_with_the_environment_of_its_overrides() {
    let world = World::start().await;
    world.project("talk-a", TALKATIVE).await;
    let overrides = json!([{"name": "OVERRIDDEN", "value": "o", "type": "PLAINTEXT"}]);
    let id = world.build(json!({"projectName": "talk-a", "environmentVariablesOverride": overrides})).await;
    let build = world.over(&id).await;
    let log = world.log(&build);
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    assert!(log.contains("env s p o over /tmp 1"), "{log}");
    assert!(log.contains(&format!("in {id}")), "{log}");
    assert_eq!(build["exportedEnvironmentVariables"], json!([{"name": "ANSWER", "value": "forty two"}]));
    let phases: Vec<_> = build["phases"].as_array().unwrap().iter().map(|p| p["phaseType"].as_str().unwrap()).collect();
    let expected = [
        "SUBMITTED",
        "QUEUED",
        "PROVISIONING",
        "DOWNLOAD_SOURCE",
        "INSTALL",
        "PRE_BUILD",
        "BUILD",
        "POST_BUILD",
        "UPLOAD_ARTIFACTS",
        "FINALIZING",
        "COMPLETED",
    ];
    assert_eq!(phases, expected);
    assert!(build["endTime"].as_f64().unwrap() >= build["startTime"].as_f64().unwrap());
    let info = world.edge.builds().remove(0);
    assert_eq!((info.id, info.overrides), (id, vec![("OVERRIDDEN".to_owned(), "o".to_owned())]));
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_of_one_sandbox_have_a_folder_in_common_and_those_of_two_have_none() {
    const SPEC: &str = "version: 0.2\nphases:\n  build:\n    commands: ['echo \"works in $WORKDIR.\"']\n";
    let mut folders = Vec::new();
    let worlds = [World::start().await, World::start().await];
    // Two edges of these tests have one emulator behind them, and so the project in common.
    worlds[0].project("folder", SPEC).await;
    for world in worlds {
        for _ in 0..2 {
            let given = json!([{"name": "WORKDIR", "value": "/tmp/shared/w", "type": "PLAINTEXT"}]);
            let id = world.build(json!({"projectName": "folder", "environmentVariablesOverride": given})).await;
            let log = world.log(&world.over(&id).await);
            let said = log.lines().find_map(|line| line.strip_prefix("works in ")).map(str::to_owned);
            folders.push(said.unwrap_or_else(|| panic!("it does not say where it works: {log}")));
        }
    }
    assert_eq!((&folders[0], &folders[2]), (&folders[1], &folders[3]));
    assert_ne!(folders[0], folders[2]);
    assert!(folders.iter().all(|folder| folder.ends_with("/tmp/shared/w.")), "{folders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builds_own_calls_are_recorded_under_its_session() {
    let world = World::start().await;
    world.create_table("built-b").await;
    let curl = "curl -sS -X POST $AWS_ENDPOINT_URL -H \"authorization: AWS4-HMAC-SHA256 Credential=$AWS_ACCESS_KEY_ID/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0\" -H 'x-amz-target: DynamoDB_20120810.DeleteTable' -d '{\"TableName\":\"built-b\"}'";
    let spec = json!({"version": 0.2, "phases": {"build": {"commands": [curl]}}});
    world.project("calls-b", &spec.to_string()).await;
    let pattern = json!({"source": ["aws.dynamodb"], "detail": {"requestParameters": {"tableName": ["built-b"]}, "eventName": ["DeleteTable"]}});
    let queue = world.queue_for("rule-calls-b", pattern).await;
    let id = world.build(json!({"projectName": "calls-b"})).await;
    let build = world.over(&id).await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{}", world.log(&build));
    let event = world.receive_all(&queue, 1).await.remove(0);
    let (identity, uuid) = (&event["detail"]["userIdentity"], id.split(':').nth(1).unwrap());
    assert_eq!(identity["type"], "AssumedRole");
    assert_eq!(
        identity["arn"],
        json!(format!("arn:aws:sts::000000000000:assumed-role/recovery-role/AWSCodeBuild-{uuid}"))
    );
    assert_eq!(identity["sessionContext"]["sessionIssuer"]["arn"], "arn:aws:iam::000000000000:role/recovery-role");
    assert_eq!(world.edge.faults().calls("dynamodb", "DeleteTable", Some(&format!("AWSCodeBuild-{uuid}"))), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_phase_runs_post_build_and_fails_the_build() {
    let world = World::start().await;
    let spec = "phases:\n  build:\n    commands: ['echo before', 'exit 42', 'echo after']\n    finally: ['echo finally']\n  post_build:\n    commands: ['echo post $CODEBUILD_BUILD_SUCCEEDING']\n";
    world.project("fails-c", spec).await;
    let build = world.over(&world.build(json!({"projectName": "fails-c"})).await).await;
    let log = world.log(&build);
    assert_eq!(build["buildStatus"], "FAILED");
    assert!(log.contains("\nfinally\n") && log.contains("\npost 0\n") && !log.contains("\nafter\n"), "{log}");
    let phase = build["phases"].as_array().unwrap().iter().find(|p| p["phaseType"] == "BUILD").unwrap();
    assert_eq!(phase["phaseStatus"], "FAILED");
    assert_eq!(phase["contexts"][0]["message"], "Error while executing command: exit 42. Reason: exit status 42");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_install_ends_the_build() {
    let world = World::start().await;
    world
        .project("fails-d", "phases:\n  install:\n    commands: ['false']\n  build:\n    commands: ['echo build']\n")
        .await;
    let build = world.over(&world.build(json!({"projectName": "fails-d"})).await).await;
    assert_eq!(build["buildStatus"], "FAILED");
    assert!(!world.log(&build).contains("\nbuild\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_build_ends_with_all_its_processes() {
    let world = World::start().await;
    let spec = "phases:\n  build:\n    commands: ['trap \"echo let go; exit 1\" TERM; echo up; sleep 300 & wait']\n  post_build:\n    commands: ['echo post']\n";
    world.project("stops-e", spec).await;
    let id = world.build(json!({"projectName": "stops-e"})).await;
    let up = || async {
        let build = world.show(&id).await;
        (build["currentPhase"] == "BUILD" && world.log(&build).contains("\nup\n")).then_some(())
    };
    within(Duration::from_secs(20), up).await;
    world.ok("CodeBuild_20161006.StopBuild", json!({"id": id})).await;
    let build = world.over(&id).await;
    assert_eq!(build["buildStatus"], "STOPPED");
    let log = world.log(&build);
    assert!(log.contains("let go") && !log.contains("\npost\n"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_starts_one_build_and_the_limit_refuses_a_second() {
    let world = World::start().await;
    world.project("once-f", "phases:\n  build:\n    commands: ['sleep 300']\n").await;
    world.ok("CodeBuild_20161006.UpdateProject", json!({"name": "once-f", "concurrentBuildLimit": 1})).await;
    let shown = world.ok("CodeBuild_20161006.BatchGetProjects", json!({"names": ["once-f"]})).await;
    assert_eq!(shown["projects"][0]["concurrentBuildLimit"], 1);
    let input = json!({"projectName": "once-f", "idempotencyToken": "t1"});
    let first = world.build(input.clone()).await;
    assert_eq!(world.build(input.clone()).await, first);
    let changed = json!({"projectName": "once-f", "idempotencyToken": "t1", "sourceVersion": "x"});
    let (_, refused) = world.json("test", "CodeBuild_20161006.StartBuild", changed).await;
    assert_eq!(refused["__type"], "InvalidInputException");
    let (_, refused) = world.json("test", "CodeBuild_20161006.StartBuild", json!({"projectName": "once-f"})).await;
    assert_eq!(refused["__type"], "AccountLimitExceededException");
    let ids = world.ok("CodeBuild_20161006.ListBuildsForProject", json!({"projectName": "once-f"})).await;
    assert_eq!(ids["ids"], json!([first]));
    world.edge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_is_a_zip_in_s3_of_the_version_that_is_asked_for() {
    let world = World::start().await;
    let zipped = |word: &str| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let say = format!(
            "echo \"{word} of $CODEBUILD_SOURCE_REPO_URL resolved ${{CODEBUILD_RESOLVED_SOURCE_VERSION-no}}\"\n"
        );
        let spec = "phases:\n  build:\n    commands: ['sh scripts/say.sh']\n";
        for (name, text) in [("buildspec.yml", spec), ("scripts/say.sh", &say)] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    world.rest("test", "s3", "PUT", "/source-g", "").await;
    world
        .rest(
            "test",
            "s3",
            "PUT",
            "/source-g?versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        )
        .await;
    world.rest("test", "s3", "PUT", "/source-g/infra/source.zip", zipped("first")).await;
    let (_, versions) = world.rest("test", "s3", "GET", "/source-g?versions", "").await;
    let first = versions.split("<VersionId>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    world.rest("test", "s3", "PUT", "/source-g/infra/source.zip", zipped("second")).await;
    world.project("source-g", "").await;
    let source = json!({"type": "S3", "location": "source-g/infra/source.zip"});
    world.ok("CodeBuild_20161006.UpdateProject", json!({"name": "source-g", "source": source})).await;
    let newest = world.over(&world.build(json!({"projectName": "source-g"})).await).await;
    let older = world.over(&world.build(json!({"projectName": "source-g", "sourceVersion": first})).await).await;
    for (build, word) in [(newest, "second"), (older, "first")] {
        let log = world.log(&build);
        assert!(log.contains(&format!("\n{word} of s3://source-g/infra/source.zip resolved no\n")), "{log}");
        assert_eq!(build["resolvedSourceVersion"], json!(null), "for S3 it does not apply");
    }
    let gone = world.over(&world.build(json!({"projectName": "source-g", "sourceVersion": "nosuch"})).await).await;
    assert_eq!(gone["buildStatus"], "FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_tells_the_bus_when_it_starts_and_ends() {
    let world = World::start().await;
    let queue =
        world.queue_for("rule-h", json!({"source": ["aws.codebuild"], "detail": {"project-name": ["tells-h"]}})).await;
    world.project("tells-h", "phases:\n  build:\n    commands: ['true']\n").await;
    let id = world.build(json!({"projectName": "tells-h"})).await;
    let events = world.receive_all(&queue, 2).await;
    let statuses: Vec<_> = events.iter().map(|e| e["detail"]["build-status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["IN_PROGRESS", "SUCCEEDED"]);
    assert_eq!(events[1]["detail-type"], "CodeBuild Build State Change");
    assert!(events[1]["detail"]["build-id"].as_str().unwrap().ends_with(&format!("build/{id}")));
    assert_eq!(events[1]["detail"]["additional-information"]["build-complete"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_takes_its_times_to_start() {
    let times = [("QUEUED", 40), ("PROVISIONING", 90), ("DOWNLOAD_SOURCE", 60)];
    let [queued, provisioning, download] = times.map(|(_, millis)| Duration::from_millis(millis));
    let world = World::start_with(|config| {
        (config.times.queued, config.times.provisioning, config.times.download) = (queued, provisioning, download);
    })
    .await;
    world.project("takes-i", "phases:\n  build:\n    commands: ['true']\n").await;
    let id = world.build(json!({"projectName": "takes-i"})).await;
    let build = world.over(&id).await;
    let info = world.edge.builds().remove(0);
    for (phase, millis) in times {
        let took = info.phase(phase).unwrap();
        assert!(took >= Duration::from_millis(millis), "{phase} took {took:?}");
    }
    let phases = build["phases"].as_array().unwrap();
    let time = |phase: &serde_json::Value, name: &str| phase[name].as_f64().unwrap();
    assert!(phases.windows(2).all(|pair| time(&pair[0], "endTime") <= time(&pair[1], "startTime")), "{phases:?}");
    assert!(phases.iter().all(|phase| phase["phaseStatus"] == "SUCCEEDED"), "{phases:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_is_stopped_before_it_has_a_machine() {
    for (phase, before) in [("QUEUED", 2), ("PROVISIONING", 3)] {
        let world = World::start_with(|config| match phase {
            "QUEUED" => config.times.queued = Duration::from_hours(1),
            _ => config.times.provisioning = Duration::from_hours(1),
        })
        .await;
        let project = format!("stops-j-{}", phase.to_lowercase());
        world.project(&project, "phases:\n  build:\n    commands: ['true']\n").await;
        let id = world.build(json!({"projectName": project})).await;
        let there = || async { Some(world.show(&id).await).filter(|build| build["currentPhase"] == phase) };
        let waiting = within(Duration::from_secs(20), there).await;
        assert_eq!((&waiting["buildStatus"], &waiting["endTime"]), (&json!("IN_PROGRESS"), &json!(null)));
        let phases = waiting["phases"].as_array().unwrap();
        assert_eq!((phases.len(), &phases[before - 1]["endTime"]), (before, &json!(null)), "{phases:?}");

        world.ok("CodeBuild_20161006.StopBuild", json!({"id": id})).await;
        let stopped = world.over(&id).await;
        assert_eq!((&stopped["buildStatus"], &stopped["currentPhase"]), (&json!("STOPPED"), &json!("COMPLETED")));
        let phases = stopped["phases"].as_array().unwrap();
        assert_eq!(phases[before - 1]["phaseStatus"], "STOPPED", "{phases:?}");
        assert!(phases.iter().all(|p| p["phaseType"] != "DOWNLOAD_SOURCE" && p["phaseType"] != "BUILD"), "{phases:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_has_no_machine_yet_counts_as_one_that_runs() {
    let world = World::start_with(|config| config.times.provisioning = Duration::from_hours(1)).await;
    world.project("once-k", "phases:\n  build:\n    commands: ['true']\n").await;
    world.ok("CodeBuild_20161006.UpdateProject", json!({"name": "once-k", "concurrentBuildLimit": 1})).await;
    world.build(json!({"projectName": "once-k"})).await;
    let (_, refused) = world.json("test", "CodeBuild_20161006.StartBuild", json!({"projectName": "once-k"})).await;
    assert_eq!(refused["__type"], "AccountLimitExceededException");
    world.edge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_in_the_queue_is_the_projects_or_the_builds_own() {
    let world = World::start().await;
    world.project("queues-l", "phases:\n  build:\n    commands: ['true']\n").await;
    let minutes = |build: serde_json::Value| build["queuedTimeoutInMinutes"].clone();
    let id = world.build(json!({"projectName": "queues-l"})).await;
    assert_eq!(minutes(world.over(&id).await), 480);
    world.ok("CodeBuild_20161006.UpdateProject", json!({"name": "queues-l", "queuedTimeoutInMinutes": 30})).await;
    let id = world.build(json!({"projectName": "queues-l"})).await;
    assert_eq!(minutes(world.over(&id).await), 30);
    let id = world.build(json!({"projectName": "queues-l", "queuedTimeoutInMinutesOverride": 7})).await;
    assert_eq!(minutes(world.over(&id).await), 7);
}
