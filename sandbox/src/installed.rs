//! A sandbox with the operator at work in it, and the people around it: what programs of tests share.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::incident::has_ended;
use crate::{ACCOUNT, BuildInfo, Caller, Incidents, NAMESPACE, Operator, Sandbox, Setup, StillNot, name_of, tail};

/// Longer than any recovery takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(240);
const OPERATOR: &str = "operator-0";
/// Who may approve, but carol: she may write Incidents, and lacks the verb that decisions take.
const PEOPLE: [&str; 5] = ["alice", "bob", "mal", "stranger", "carol"];

/// The programs that are tested.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The operator.
    pub operator: PathBuf,
    /// The kubectl plugin.
    pub plugin: PathBuf,
}

/// The sandbox, the operator and the people. What it can't do for want of a part of the sandbox ends the test: these
/// functions panic, and say what is missing.
#[derive(Debug)]
pub struct Installed {
    /// The sandbox.
    pub sandbox: Sandbox,
    programs: Programs,
    settings: Value,
    /// How the operator reaches the apiserver.
    kubeconfig: PathBuf,
    operator: Mutex<Option<Operator>>,
    /// Whether the operator runs with other settings than those of the install.
    changed: AtomicBool,
    /// What was refused in tests before, or is what a test is about.
    refused: Mutex<BTreeSet<String>>,
    kubeconfigs: HashMap<String, PathBuf>,
    /// All that people were told so far.
    told: tokio::sync::Mutex<Vec<String>>,
}

/// A user's name in Kubernetes.
pub fn user_name(user: &str) -> String {
    format!("system:serviceaccount:{NAMESPACE}:{user}")
}

impl Installed {
    /// Starts a sandbox, installs the chart, and makes the people; the operator is not started yet.
    ///
    /// # Errors
    /// When a part of the sandbox can't be had or does not start.
    pub async fn start(repository: &Path, setup: Setup, programs: Programs, say: impl Fn(&str)) -> Result<Self> {
        let sandbox = Sandbox::start_with(repository, setup, say).await?;
        let mut settings = sandbox.install_chart().await?;
        settings["classifier"]["timeoutSeconds"] = json!(5);
        let known = |user: &str, arn: &str| json!({"user": user_name(user), "arns": [format!("arn:aws:iam::{ACCOUNT}:user/{arn}")]});
        settings["identities"] = json!([known("alice", "alice"), known("bob", "bob"), known("mal", "mallory")]);
        let write = [
            "--verb=get,list,update,patch,create,delete",
            "--resource=incidents.reforge.dev,incidents.reforge.dev/status",
        ];
        let plane = sandbox.plane();
        plane.kubectl(&["create", "clusterrole", "incident-writer", write[0], write[1]])?;
        let mut kubeconfigs = HashMap::new();
        for user in PEOPLE {
            plane.kubectl(&["create", "serviceaccount", user, "-n", NAMESPACE])?;
            let role = if user == "carol" { "--clusterrole=incident-writer" } else { "--clusterrole=reforge-approver" };
            let who = format!("--serviceaccount={NAMESPACE}:{user}");
            plane.kubectl(&["create", "clusterrolebinding", user, role, &who])?;
            kubeconfigs.insert(user.to_owned(), plane.kubeconfig_of(NAMESPACE, user)?);
        }
        // The operator's own, by the name that the chart gives it.
        let kubeconfig = sandbox.operator_kubeconfig()?;
        kubeconfigs.insert("reforge".to_owned(), kubeconfig.clone());
        let (operator, changed) = (Mutex::new(None), AtomicBool::new(false));
        let (refused, told) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { sandbox, programs, settings, kubeconfig, operator, changed, refused, kubeconfigs, told })
    }

    /// Undoes what a test before may have left of faults, holds and other settings, also one that failed; and has the
    /// operator run.
    pub async fn reset(&self) {
        self.sandbox.edge().faults().reset();
        if self.changed.swap(false, Ordering::SeqCst) {
            self.kill_operator();
        }
        let word = ["delete", "configmap", "reforge-hold", "reforge-storm-over", "-n", NAMESPACE];
        self.kubectl(&[&word[..], &["--ignore-not-found"]].concat());
        self.start_operator().await;
    }

    /// Every call of the operator, the builds and AWS's own services was within the rights that the module gives them, and
    /// every answer was of the shape that AWS's has: a test that gets along with less shows nothing. A read that Terraform
    /// needs fails its build when it is refused; those that it goes on without are `cargo xtask iam`'s to name.
    pub fn nothing_was_refused(&self) {
        let refused = self.refusals();
        let new: Vec<&String> = refused.iter().filter(|refusal| !self.known_refusals().contains(*refusal)).collect();
        assert!(new.is_empty(), "a right is missing: {new:#?}");
        let misshapen = self.sandbox.edge().faults().misshapen_answers();
        assert!(misshapen.is_empty(), "the emulated AWS answers as AWS does not: {misshapen:#?}");
    }

    /// What was refused up to now is what the test wanted.
    pub fn refusals_were_wanted(&self) {
        let all = self.refusals();
        self.known_refusals().extend(all);
    }

    fn known_refusals(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> BTreeSet<String> {
        let reads = |action: &str| [":Describe", ":Get", ":List"].iter().any(|verb| action.contains(verb));
        let mut all = BTreeSet::new();
        for actor in self.sandbox.edge().iam().actors {
            let builds = actor.actor.ends_with("-plan") || actor.actor.ends_with("-apply");
            let denied = actor.denied.iter().filter(|denied| !(builds && reads(&denied.action)));
            all.extend(
                denied
                    .map(|d| format!("{}: {} on {} for {}: {}", actor.actor, d.action, d.resource, d.operation, d.why)),
            );
        }
        all
    }

    fn operator(&self) -> MutexGuard<'_, Option<Operator>> {
        self.operator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operator reaches the apiserver by another kubeconfig from its next start on.
    pub fn reach_apiserver_by(&mut self, kubeconfig: PathBuf) {
        self.kubeconfig = kubeconfig;
    }

    /// Starts the operator if it does not run.
    pub async fn start_operator(&self) {
        if self.operator().is_none() {
            self.start_with(&self.settings).await;
        }
    }

    /// Starts the operator anew with settings that are changed for this test.
    pub async fn restart_with(&self, change: impl FnOnce(&mut Value)) {
        self.kill_operator();
        self.changed.store(true, Ordering::SeqCst);
        let mut settings = self.settings.clone();
        change(&mut settings);
        self.start_with(&settings).await;
    }

    async fn start_with(&self, settings: &Value) {
        let (program, kubeconfig) = (&self.programs.operator, &self.kubeconfig);
        let started = Operator::start(&self.sandbox, program, kubeconfig, settings, OPERATOR).await;
        *self.operator() = Some(started.expect("the operator starts"));
    }

    /// Kills the operator with SIGKILL.
    pub fn kill_operator(&self) {
        let operator = self.operator().take();
        operator.expect("the operator runs").kill().expect("the operator is killed");
    }

    /// One of the operator's metrics.
    pub async fn metric(&self, line: &str) -> f64 {
        let port = self.operator().as_ref().expect("it runs").port();
        let (_, text) = crate::get(port, "/metrics").await.expect("metrics");
        let found = text.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("there is no {line} in:\n{text}"))
    }

    /// Runs kubectl as the administrator.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.sandbox.plane().kubectl(args).expect("kubectl")
    }

    /// Runs kubectl as a user; what it printed if it was refused.
    ///
    /// # Errors
    /// What it printed.
    pub fn kubectl_as(&self, user: &str, args: &[&str]) -> Result<String, String> {
        self.run_as(user, Path::new("kubectl"), args)
    }

    /// Runs the kubectl plugin as a user.
    ///
    /// # Errors
    /// What it printed.
    pub fn plugin_as(&self, user: &str, args: &[&str]) -> Result<String, String> {
        self.run_as(user, &self.programs.plugin, args)
    }

    fn run_as(&self, user: &str, program: &Path, args: &[&str]) -> Result<String, String> {
        let output = Command::new(program).env("KUBECONFIG", &self.kubeconfigs[user]).args(args).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Calls AWS as somebody who breaks things.
    pub async fn aws(&self, args: &[&str]) -> String {
        self.sandbox.aws(Caller::Mallory, args).await.expect("the AWS CLI")
    }

    /// The Incidents in a namespace.
    pub async fn incidents(&self, namespace: &str) -> Incidents {
        self.sandbox.plane().incidents().await.expect("the apiserver").in_namespace(namespace)
    }

    /// The builds of an Incident, of the projects with a suffix, oldest first.
    pub fn builds(&self, incident: &str, suffix: &str) -> Vec<BuildInfo> {
        let ours = |b: &BuildInfo| b.overrides.iter().any(|(k, v)| k == "REFORGE_INCIDENT" && v == incident);
        self.sandbox.edge().builds().into_iter().filter(|b| ours(b) && b.project.ends_with(suffix)).collect()
    }

    /// The messages that people got about an Incident so far, in their order.
    pub async fn messages(&self, incident: &str) -> Vec<String> {
        let mut told = self.told.lock().await;
        told.extend(self.sandbox.messages().await.expect("the mailbox"));
        told.iter().filter(|text| text.contains(incident)).cloned().collect()
    }

    /// The same, once there are any.
    pub async fn told(&self, incident: &str) -> Vec<String> {
        let start = Instant::now();
        loop {
            let messages = self.messages(incident).await;
            if !messages.is_empty() {
                return messages;
            }
            assert!(start.elapsed() < PATIENCE, "nobody was told of {incident}; {}", self.log());
        }
    }

    /// The end of the operator's log, for whoever reads why a test failed.
    pub fn log(&self) -> String {
        format!("the operator's log ends with:\n{}", tail(&self.sandbox.folder().join(format!("{OPERATOR}.log"))))
    }

    /// All that the operator has logged so far.
    pub fn logged(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.sandbox.folder().join(format!("{OPERATOR}.log"))).unwrap_or_default();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// A namespace, as a test looks at it.
    pub fn namespace<'a>(&'a self, name: &'a str) -> Namespace<'a> {
        Namespace { installed: self, name }
    }
}

/// Incidents and policies of a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Namespace<'a> {
    installed: &'a Installed,
    name: &'a str,
}

impl Namespace<'_> {
    /// Changes a policy.
    pub fn patch_policy(&self, name: &str, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        self.installed.kubectl(&["patch", "recoverypolicy", name, "-n", self.name, "--type=merge", "-p", &patch]);
    }

    /// The names of all Incidents of a type.
    pub async fn names(&self, resource_type: &str) -> BTreeSet<String> {
        self.installed.incidents(self.name).await.names(Some(resource_type)).await.expect("Incidents")
    }

    /// Does something, and gives the name of the Incident that it opens.
    pub async fn opened_by(&self, resource_type: &str, what: impl AsyncFnOnce()) -> String {
        let before = self.names(resource_type).await;
        what().await;
        let is_new = |incident: &Value| !before.contains(&name_of(incident));
        name_of(&self.found(resource_type, "a new one", is_new).await)
    }

    /// Waits for an Incident of a type that is as wanted.
    pub async fn found(&self, resource_type: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        match self.installed.incidents(self.name).await.find(resource_type, PATIENCE, wanted).await {
            Ok(incident) => incident,
            Err(error) => panic!("{what}: {error:#}\n{}", self.installed.log()),
        }
    }

    /// An Incident.
    pub fn incident(&self, name: &str) -> Value {
        let text = self.installed.kubectl(&["get", "incident", name, "-n", self.name, "-o", "json"]);
        serde_json::from_str(&text).expect("JSON")
    }

    /// Waits until an Incident is as wanted.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        match self.installed.incidents(self.name).await.until(name, PATIENCE, wanted).await {
            Ok(incident) => incident,
            Err(StillNot(last)) => panic!("still not {what}: {last:#?}\n{}", self.installed.log()),
        }
    }

    /// Waits until an Incident has ended.
    pub async fn ended(&self, name: &str) -> Value {
        self.until(name, "ended", has_ended).await
    }

    /// Decides on an Incident's present plan, by the patch that its message spells out.
    ///
    /// # Errors
    /// What the apiserver said, if it refused.
    pub fn decide(&self, user: &str, name: &str, decision: &str) -> Result<String, String> {
        let incident = self.incident(name);
        let digest = incident["status"]["plan"]["changeDigest"].as_str().expect("a digest");
        let value = json!({"by": user_name(user), "decision": decision, "changeDigest": digest});
        let patch = json!([{"op": "add", "path": "/spec/approvals/-", "value": value}]).to_string();
        let args = ["patch", "incident", name, "-n", self.name, "--type=json", "-p", &patch];
        self.installed.kubectl_as(user, &args)
    }
}
