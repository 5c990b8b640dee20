//! The way of one request through the edge, and nothing else: each step is a module of its own.

use super::Config;
use super::aimed::{self, Manner};
use super::bedrock;
use super::call::{Call, Kind};
use super::cloud_control;
use super::cloudtrail::Trail;
use super::codebuild::CodeBuild;
use super::eventbridge::Bus;
use super::faults::{Faults, status_of};
use super::http::{Body, Reply, Request};
use super::iam::Iam;
use super::instance_states::InstanceStates;
use super::limits::Limits;
use super::long_poll;
use super::lookup::Lookups;
use super::model::Models;
use super::principal::{Credential, Principals};
use super::slow::SlowDeletes;
use super::upstream::Upstream;
use hyper::body::Incoming;
use std::sync::Arc;

/// The parts of one edge.
#[derive(Debug)]
pub struct Proxy {
    upstream: Upstream,
    models: Models,
    faults: Faults,
    principals: Arc<Principals>,
    iam: Arc<Iam>,
    bus: Arc<Bus>,
    trail: Trail,
    limits: Limits,
    lookups: Lookups,
    codebuild: Arc<CodeBuild>,
    slow: SlowDeletes,
}

impl Proxy {
    /// The parts, and the future that delivers events.
    pub fn new(config: Config, url: &str, models: Models) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let upstream = Upstream::new(&config.ministack);
        let faults = Faults::new(&config.times);
        let principals = Arc::new(Principals::default());
        let iam = Iam::new(upstream.clone(), Arc::clone(&principals));
        let (bus, deliveries) = Bus::new(upstream.clone(), faults.clone(), Arc::clone(&iam));
        let world = (upstream.clone(), Arc::clone(&principals), Arc::clone(&iam), Arc::clone(&bus));
        let proxy = Self {
            limits: Limits::new(&config, upstream.clone(), Arc::clone(&principals)),
            codebuild: CodeBuild::new(config, url, world),
            trail: Trail::new(Arc::clone(&bus), faults.clone()),
            lookups: Lookups::new(faults.clone()),
            slow: SlowDeletes::new(faults.clone(), InstanceStates::new(faults.clone(), Arc::clone(&bus))),
            upstream,
            models,
            faults,
            principals,
            iam,
            bus,
        };
        (proxy, deliveries)
    }

    /// The switches and counters.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The builds.
    pub fn codebuild(&self) -> &Arc<CodeBuild> {
        &self.codebuild
    }

    /// The emulator.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The records.
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// The judge of all calls.
    pub fn iam(&self) -> &Iam {
        &self.iam
    }

    /// The event buses.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Answers one request.
    ///
    /// # Errors
    /// When the caller breaks off before its request is read.
    pub async fn serve(
        &self,
        request: hyper::Request<Incoming>,
        peer: String,
    ) -> Result<hyper::Response<Body>, hyper::Error> {
        let request = Request::read(request, peer).await?;
        let reply = match Call::of(&request) {
            _ if request.path().starts_with("/_sandbox/builds/") => self.codebuild.log_page(request.path()).await,
            Some(mut call) => {
                self.principals.place(&mut call.credential);
                self.aws(&request, &call).await
            }
            None => match self.unread(&request) {
                Some(refusal) => refusal,
                None => self.forward(&request).await.unwrap_or_else(|| Reply::new(503, "text/plain", "")),
            },
        };
        Ok(reply.into_hyper())
    }

    async fn aws(&self, request: &Request, call: &Call) -> Reply {
        let principal = self.principals.short_name(&call.credential.access_key);
        self.faults.count(&call.service, &call.operation, principal.clone());
        if self.faults.is_away(&call.service) {
            return Reply::new(503, "text/plain", "");
        }
        let wrong = self.faults.wrong(request, call, &principal);
        let reply = match &wrong {
            Some(Manner::Code(code)) => {
                call.refusal(status_of(code), code, "Refused by the sandbox, as it was told to.")
            }
            Some(Manner::Denied) => self.iam.denial(request, call).await,
            Some(Manner::Throttled) => aimed::throttled(call),
            Some(Manner::ServerError) => aimed::failed(call),
            Some(Manner::Slow | Manner::Half) | None => self.validated(request, call).await,
        };
        if reply.is_success() {
            self.learn(request, call, &reply);
            self.limits.learn(call, request);
        }
        if call.kind == Kind::Write {
            self.trail.write(request, call, self.principals.identity(&call.credential), &reply);
        }
        match wrong {
            Some(Manner::Slow) => Manner::late().await,
            Some(Manner::Half) => return reply.broken_off(),
            _ => {}
        }
        reply
    }

    /// The refusal of a request that is no call that the edge can read: of a role's session always, of others by its model.
    fn unread(&self, request: &Request) -> Option<Reply> {
        self.iam.unread(request).or_else(|| {
            let credential = Credential::of(request);
            self.models.check(request, &credential).err().map(|refusal| *refusal)
        })
    }

    /// The answer to a request that its API model has nothing against, in that model's shape; else the refusal.
    async fn validated(&self, request: &Request, call: &Call) -> Reply {
        match self.models.check(request, &call.credential) {
            Err(refusal) => *refusal,
            Ok(None) => self.answer(request, call).await,
            Ok(Some(modelled)) => modelled.shaped(self.answer(request, call).await, &self.faults),
        }
    }

    async fn answer(&self, request: &Request, call: &Call) -> Reply {
        if let Some(refusal) = self.iam.refusal(request, call).await {
            return refusal;
        }
        if let Some(refusal) = self.limits.refusal(call, request).await {
            return refusal;
        }
        let reply = self.allowed(request, call).await;
        self.iam.hides(request, call, &reply).await.unwrap_or(reply)
    }

    /// The answer to a call that IAM and the limits allow.
    async fn allowed(&self, request: &Request, call: &Call) -> Reply {
        if call.service == "sts" && call.operation == "GetCallerIdentity" {
            return self.principals.caller_identity(&call.credential);
        }
        if call.service == "cloudtrail" && call.operation == "LookupEvents" {
            return self.lookups.answer(call, request, &self.trail.records());
        }
        if call.service == "bedrock"
            && let Some(reply) = bedrock::answer(request, &self.faults).await
        {
            return reply;
        }
        if call.service == "cloudcontrolapi" {
            return cloud_control::answer(request, &self.faults);
        }
        if call.service == "codebuild"
            && let Some(reply) = self.codebuild.answer(call, request).await
        {
            return reply;
        }
        if let Some(reply) = self.slow.before(call) {
            return reply;
        }
        let forwarded = match (call.service.as_str(), call.parameters["topicArn"].as_str()) {
            ("sns", Some(topic)) if call.operation.starts_with("Publish") => {
                self.bus.fan_out().publishing(topic, self.forward(request)).await
            }
            ("sqs", _) if call.operation == "ReceiveMessage" => {
                long_poll::receive(request, |slice| async move { self.forward(&slice).await }).await
            }
            _ => self.forward(request).await,
        };
        match forwarded {
            Some(reply) if call.service == "codebuild" => self.codebuild.complete(call, request, reply),
            Some(reply) => self.slow.after(call, reply),
            None => call.refusal(503, "ServiceUnavailable", "The emulated AWS does not answer."),
        }
    }

    async fn forward(&self, request: &Request) -> Option<Reply> {
        match self.upstream.forward(&self.principals.for_emulator(request)).await {
            Ok(reply) => Some(reply),
            Err(error) => {
                tracing::warn!(target = request.target, error = format!("{error:#}"), "the emulator did not answer");
                None
            }
        }
    }

    /// What the edge itself must know of successful calls: changed rules, and the sessions that STS gave out.
    fn learn(&self, request: &Request, call: &Call, reply: &Reply) {
        self.iam.learn(request, call);
        match (call.service.as_str(), call.operation.as_str()) {
            ("events", _) if call.kind == Kind::Write => self.bus.rules_changed(),
            ("sqs", "CreateQueue" | "DeleteQueue") => self.bus.rules_changed(),
            ("sts", "AssumeRole" | "AssumeRoleWithWebIdentity") => {
                let text = reply.text();
                let key = super::call::xml_text(&text, "AccessKeyId");
                let role = call.parameters["roleArn"].as_str();
                let name = call.parameters["roleSessionName"].as_str();
                if let (Some(key), Some(role), Some(name)) = (key, role, name) {
                    self.principals.add_bounded_session(&key, role, name, session_policies(call));
                }
            }
            _ => {}
        }
    }
}

/// The policies that bound a session, as whoever assumes the role gives them.
fn session_policies(call: &Call) -> (Option<String>, Vec<String>) {
    let arns = call.parameters["policyArns"].as_array().into_iter().flatten();
    let arns = arns.filter_map(|policy| policy["arn"].as_str().map(str::to_owned)).collect();
    (call.parameters["policy"].as_str().map(str::to_owned), arns)
}
