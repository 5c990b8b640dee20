//! CodeBuild's limits. Of builds that run at once and of tokens `codebuild/start.rs` keeps the count.

use super::asked::{Asked, characters};
use super::limit::{Answer, Bound, Code, Limit, Measure, Sure};
use crate::edge::call::Call;
use crate::edge::codebuild::{PAGE, TOKEN_MINUTES};
use crate::edge::http::Reply;

const PROJECTS: &[&str] = &["CreateProject", "UpdateProject"];
const PROJECTS_AND_BUILDS: &[&str] = &["CreateProject", "UpdateProject", "StartBuild"];

/// Builds at once in an account and region, of the compute types that Reforge's projects use; `edge::Config` may have fewer.
pub const CONCURRENT_BUILDS: u64 = 60;

/// The limits.
pub const LIMITS: &[Limit] = &[
    Limit {
        name: "CodeBuild: inline buildspec",
        bound: Bound::Most(25_600, "characters"),
        source: "aws-cdk #14974 and #30326",
        sure: Sure::Reported,
        calls: &[("codebuild", PROJECTS_AND_BUILDS)],
        measure: Measure::Asked(buildspecs),
        also: "module, precondition in `builds.tf`",
        answer: Answer::seen("InvalidInputException", "Max buildspec length is {most}"),
        near: "the module renders one buildspec for all projects, with its tools packed: 15,426 characters; StartBuild overrides none",
    },
    Limit {
        name: "CodeBuild: value of an environment variable, of a project or an override",
        bound: Bound::Most(4_096, "characters"),
        source: "wolfeidau/buildkite-serverless-agent #35; no limit on how many, or on all together, is documented or was found reported",
        sure: Sure::Reported,
        calls: &[("codebuild", PROJECTS_AND_BUILDS)],
        measure: Measure::Asked(variables),
        also: "operator, `plan/gate.rs`",
        answer: Answer::seen("InvalidInputException", "EnvironmentVariable should be at most {most} characters"),
        near: "`REFORGE_TARGETS` is a JSON list of up to 32 Terraform addresses: where they are longer than this together, the gate asks a human. No build is asked for with any longer value",
    },
    Limit {
        name: "CodeBuild: builds of a project at once (`concurrentBuildLimit`)",
        bound: Bound::Form("as the project says"),
        source: "API reference, CreateProject",
        sure: Sure::Documented,
        calls: &[("codebuild", &["StartBuild"])],
        measure: Measure::At("codebuild/start.rs"),
        also: "",
        answer: Answer::assumed("AccountLimitExceededException", ""),
        near: "1 for apply projects; the operator takes the refusal for throttling and tries again",
    },
    Limit {
        name: "CodeBuild: builds of an account at once, in a region and by compute type",
        bound: Bound::Most(CONCURRENT_BUILDS, "builds"),
        source: "CodeBuild User Guide, \"Quotas for AWS CodeBuild\": 60, and as low as 1 in a new account",
        sure: Sure::Documented,
        calls: &[("codebuild", &["StartBuild"])],
        measure: Measure::At("codebuild/start.rs"),
        also: "",
        answer: Answer::seen(
            "AccountLimitExceededException",
            "Cannot have more than {most} builds in queue for the account",
        ),
        near: "one build a workspace at once; the operator takes the refusal for throttling and tries again",
    },
    Limit {
        name: "CodeBuild: a project's limit within the account's",
        bound: Bound::Form("no more than the account may run"),
        source: "terraform-provider-aws #37748",
        sure: Sure::Reported,
        calls: &[("codebuild", PROJECTS)],
        measure: Measure::At("limits/codebuild.rs"),
        also: "",
        answer: Answer::seen("InvalidInputException", ""),
        near: "1, so it holds in every account that may build at all",
    },
    Limit {
        name: "CodeBuild: life of an idempotency token",
        bound: Bound::Most(TOKEN_MINUTES, "minutes"),
        source: "API reference, StartBuild; no length is documented",
        sure: Sure::Documented,
        calls: &[("codebuild", &["StartBuild"])],
        measure: Measure::At("codebuild/start.rs"),
        also: "operator, `incident/fences.rs`",
        answer: Answer::seen("", ""),
        near: "a start whose answer was lost is looked for among the project's builds before another is made, and until 5 minutes after it where none may be",
    },
    Limit {
        name: "CodeBuild: a page of ListBuilds and ListBuildsForProject",
        bound: Bound::Most(PAGE as u64, "builds"),
        source: "API reference, ListBuildsForProject",
        sure: Sure::Documented,
        calls: &[("codebuild", &["ListBuilds", "ListBuildsForProject"])],
        measure: Measure::At("codebuild/mod.rs"),
        also: "",
        answer: Answer::seen("", ""),
        near: "a lost start is looked for on the first page, newest first",
    },
    Limit {
        name: "CodeBuild: ids of BatchGetBuilds, names of BatchGetProjects",
        bound: Bound::Between(1, 100, "ids"),
        source: "CodeBuild User Guide, \"Quotas for AWS CodeBuild\"",
        sure: Sure::Documented,
        calls: &[("codebuild", &["BatchGetBuilds", "BatchGetProjects"])],
        measure: Measure::Model,
        also: "operator, `recover/codebuild.rs`",
        answer: Answer::assumed("InvalidInputException", ""),
        near: "questions about builds are gathered, 100 a call",
    },
    Limit {
        name: "CodeBuild: project name",
        bound: Bound::Between(2, 150, "characters of A-Z, a-z, 0-9, - and _"),
        source: "API reference, CreateProject",
        sure: Sure::Documented,
        calls: &[("codebuild", PROJECTS)],
        measure: Measure::Model,
        also: "",
        answer: Answer::assumed("InvalidInputException", ""),
        near: "`aiops-<workspace>-recovery`, a workspace's name having at most 42 characters",
    },
];

fn buildspecs(asked: &Asked<'_>) -> Vec<u64> {
    let given = [asked.input["source"]["buildspec"].as_str(), asked.text("buildspecOverride")];
    given.into_iter().flatten().map(characters).collect()
}

fn variables(asked: &Asked<'_>) -> Vec<u64> {
    let own = asked.input["environment"]["environmentVariables"].as_array().into_iter().flatten();
    let all = own.chain(asked.list("environmentVariablesOverride"));
    all.filter_map(|variable| variable["value"].as_str()).map(characters).collect()
}

/// The refusal of a project that may run more builds than its account.
pub fn over_account(asked: &Asked<'_>, account: u64) -> Option<Reply> {
    let call = asked.call;
    let project = PROJECTS.contains(&call.operation.as_str()) && call.service == "codebuild";
    let limit = asked.input["concurrentBuildLimit"].as_u64().filter(|limit| project && *limit > account)?;
    tracing::debug!(limit, account, "a project's limit is over its account's");
    let message = format!(
        "Project-level concurrent build limit cannot exceed the account-level concurrent build limit of {account}."
    );
    Some(call.refusal(400, "InvalidInputException", &message))
}

/// The refusal of a build while the account runs as many as it may.
pub fn no_room(call: &Call, running: u64, account: u64) -> Option<Reply> {
    let limit = LIMITS
        .iter()
        .find(|limit| matches!(limit.bound, Bound::Most(_, "builds") if limit.holds_for("codebuild", "StartBuild")))?;
    let Code::One(code) = limit.answer.code else { return None };
    let message = limit.answer.message.replace("{most}", &account.to_string());
    (running >= account).then(|| call.refusal(400, code, &message))
}
