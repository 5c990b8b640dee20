//! Who calls: access key ids to CloudTrail's `userIdentity`.
//!
//! Given the signing header, it gives the key, its account and the signed service; signatures are not checked, as the emulator checks none.

use super::http::{Reply, Request};
use super::upstream::Scope;
use hyper::header::{AUTHORIZATION, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The account of every key that is not itself an account id.
pub const DEFAULT_ACCOUNT: &str = "000000000000";
/// The region of requests that name none.
pub const DEFAULT_REGION: &str = "us-east-1";

/// What the request's credential scope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The access key id, empty when the request is not signed.
    pub access_key: String,
    /// The account that the key itself names; [`Principals::place`] puts a session's into its role's.
    pub account: String,
    /// The region signed for.
    pub region: String,
    /// The service signed for (`dynamodb`, `ec2`, `s3`, ...), empty when the request is not signed.
    pub service: String,
}

impl Credential {
    /// Reads the `Authorization` header, else the query of a presigned URL.
    pub fn of(request: &Request) -> Self {
        let header = request.header("authorization");
        let scope = match header.split_once("Credential=") {
            Some((_, rest)) => rest.split([',', ' ']).next().unwrap_or("").to_owned(),
            None => request
                .query_pairs()
                .into_iter()
                .find(|(k, _)| k == "X-Amz-Credential")
                .map(|(_, v)| v)
                .unwrap_or_default(),
        };
        let mut parts = scope.split('/');
        let access_key = parts.next().unwrap_or("").to_owned();
        let region = parts.nth(1).filter(|r| !r.is_empty()).unwrap_or(DEFAULT_REGION).to_owned();
        let service = parts.next().unwrap_or("").to_owned();
        let is_account = access_key.len() == 12 && access_key.bytes().all(|b| b.is_ascii_digit());
        let account = if is_account { access_key.clone() } else { DEFAULT_ACCOUNT.to_owned() };
        Self { access_key, account, region, service }
    }

    /// The account and region that the call acts in.
    pub fn scope(&self) -> Scope {
        Scope { account: self.account.clone(), region: self.region.clone() }
    }
}

/// A session of a role.
#[derive(Debug, Clone)]
struct Session {
    role_arn: String,
    name: String,
    since: Timestamp,
    policy: Option<String>,
    policy_arns: Vec<String>,
}

/// A session of a role as IAM looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSession {
    /// The role.
    pub role_arn: String,
    /// The session.
    pub arn: String,
    /// `aws:userid`: the role's unique id and the session's name.
    pub user_id: String,
    /// The session policy's document.
    pub policy: Option<String>,
    /// The managed policies that bound the session as well.
    pub policy_arns: Vec<String>,
}

impl Session {
    /// The account of its role, in which it acts.
    fn account(&self) -> &str {
        self.role_arn.split(':').nth(4).filter(|a| !a.is_empty()).unwrap_or(DEFAULT_ACCOUNT)
    }
}

/// The sessions known to the edge.
#[derive(Debug)]
pub struct Principals {
    sessions: Mutex<HashMap<String, Session>>,
}

impl Default for Principals {
    fn default() -> Self {
        let operator = Session {
            role_arn: format!("arn:aws:iam::{DEFAULT_ACCOUNT}:role/reforge-operator"),
            name: "reforge".to_owned(),
            since: Timestamp::now(),
            policy: None,
            policy_arns: Vec::new(),
        };
        Self { sessions: Mutex::new(HashMap::from([("AKIAOPERATOR".to_owned(), operator)])) }
    }
}

impl Principals {
    /// Makes `access_key` a session `name` of the role.
    pub fn add_session(&self, access_key: &str, role_arn: &str, name: &str) {
        self.add_bounded_session(access_key, role_arn, name, (None, Vec::new()));
    }

    /// The same with session policies: one document, and managed policies by ARN.
    pub fn add_bounded_session(
        &self,
        access_key: &str,
        role_arn: &str,
        name: &str,
        (policy, policy_arns): (Option<String>, Vec<String>),
    ) {
        let (role_arn, name) = (role_arn.to_owned(), name.to_owned());
        let session = Session { role_arn, name, since: Timestamp::now(), policy, policy_arns };
        self.sessions().insert(access_key.to_owned(), session);
    }

    /// The session that a key belongs to; nothing for users' keys.
    pub fn session(&self, access_key: &str) -> Option<RoleSession> {
        let session = self.sessions().get(access_key).cloned()?;
        let identity = assumed_role(access_key, &session);
        let text = |name: &str| identity[name].as_str().unwrap_or_default().to_owned();
        Some(RoleSession {
            arn: text("arn"),
            user_id: text("principalId"),
            role_arn: session.role_arn,
            policy: session.policy,
            policy_arns: session.policy_arns,
        })
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a session's call into the account of its role, whoever assumed it.
    pub fn place(&self, credential: &mut Credential) {
        if let Some(session) = self.sessions().get(&credential.access_key) {
            session.account().clone_into(&mut credential.account);
        }
    }

    /// The request as the emulator must get it. It takes a key that is an account id for that account; of the sessions of other accounts it
    /// knows those that its own STS gave out, and not those of builds.
    pub fn for_emulator<'r>(&self, request: &'r Request) -> Cow<'r, Request> {
        let signed = Credential::of(request);
        let mut placed = signed.clone();
        self.place(&mut placed);
        if placed.account == signed.account {
            return Cow::Borrowed(request);
        }
        let (key, account) = (format!("Credential={}/", signed.access_key), format!("Credential={}/", placed.account));
        let mut request = request.clone();
        if let Ok(header) = HeaderValue::from_str(&request.header("authorization").replacen(&key, &account, 1)) {
            request.headers.insert(AUTHORIZATION, header);
        }
        Cow::Owned(request)
    }

    /// A short name for counting: the session's name for a role, the user's name otherwise.
    pub fn short_name(&self, access_key: &str) -> String {
        self.sessions().get(access_key).map_or_else(|| user_name(access_key), |s| s.name.clone())
    }

    /// STS's answer to `GetCallerIdentity`: the same principal that the records show, which the emulator does not know.
    pub fn caller_identity(&self, credential: &Credential) -> Reply {
        let identity = self.identity(credential);
        let text = |name: &str| identity[name].as_str().unwrap_or_default().to_owned();
        let (arn, id, account) = (text("arn"), text("principalId"), text("accountId"));
        let xml = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>{arn}</Arn><UserId>{id}</UserId><Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
            uuid::Uuid::new_v4()
        );
        Reply::new(200, "text/xml", xml)
    }

    /// The `userIdentity` element of a record.
    pub fn identity(&self, credential: &Credential) -> Value {
        let (key, account) = (&credential.access_key, &credential.account);
        if key.is_empty() {
            return json!({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"});
        }
        let session = self.sessions().get(key).cloned();
        if let Some(session) = session {
            return assumed_role(key, &session);
        }
        let name = user_name(key);
        json!({
            "type": "IAMUser",
            "principalId": unique_id("AIDA", &name),
            "arn": format!("arn:aws:iam::{account}:user/{name}"),
            "accountId": account,
            "accessKeyId": key,
            "userName": name,
        })
    }
}

fn assumed_role(key: &str, session: &Session) -> Value {
    let account = session.account();
    let role = session.role_arn.rsplit('/').next().unwrap_or(&session.role_arn);
    let principal = unique_id("AROA", role);
    json!({
        "type": "AssumedRole",
        "principalId": format!("{principal}:{}", session.name),
        "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{}", session.name),
        "accountId": account,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal,
                "arn": session.role_arn,
                "accountId": account,
                "userName": role,
            },
            "attributes": {"creationDate": format!("{:.0}", session.since), "mfaAuthenticated": "false"},
        },
    })
}

fn user_name(access_key: &str) -> String {
    match access_key {
        "AKIAMALLORY" => "mallory".to_owned(),
        "AKIATERRAFORM" => "terraform".to_owned(),
        other => other.to_owned(),
    }
}

/// IAM's unique ids: a prefix for the kind and 17 letters and digits, the same for the same name.
fn unique_id(prefix: &str, name: &str) -> String {
    let digest = hex::encode_upper(Sha256::digest(name.as_bytes()));
    format!("{prefix}{}", &digest[..17])
}
