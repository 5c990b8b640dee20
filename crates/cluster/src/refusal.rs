//! Whom an apiserver's refusal concerns: the one object that was to be stored, or whatever this operator would store. The first
//! holds up that object and nothing else.

use kube::core::Status;

/// Why the apiserver does not store one object, while it would store others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its namespace is gone, or about to go.
    NamespaceGone,
    /// Its namespace has as many as it may have.
    Quota,
    /// An admission webhook or policy of the cluster's does not let it in.
    Admission,
    /// An admission webhook of the cluster's that it has to pass is not reached. That passes.
    WebhookAway,
    /// The schema, or what decodes it, does not take it.
    Invalid,
    /// It is larger than the apiserver or etcd takes.
    TooLarge,
}

impl Refusal {
    /// Reads an answer; None where no other object would fare better: the apiserver is away or overloaded, does not know who
    /// asks, does not let them, or has no such kind.
    pub fn of(answer: &Status) -> Option<Self> {
        let details = answer.details.as_ref();
        let says = |words: &str| answer.message.contains(words);
        // Who may not write a kind is told so by the authorizer, before the object is looked at; what admits an object, names it.
        let is_named = details.is_some_and(|d| !d.name.is_empty()) && !says(" is forbidden: User \"");
        // A webhook may say no by any code.
        let by_webhook = answer.message.starts_with("admission webhook ") && says(" denied the request");
        match answer.code {
            404 if details.is_some_and(|d| d.kind == "namespaces") => Some(Self::NamespaceGone),
            403 if is_named && says("because it is being terminated") => Some(Self::NamespaceGone),
            403 if is_named && says("exceeded quota") => Some(Self::Quota),
            _ if by_webhook => Some(Self::Admission),
            500 if says("failed calling webhook") => Some(Self::WebhookAway),
            401 | 403 if is_named => Some(Self::Admission),
            413 => Some(Self::TooLarge),
            422 if says("ValidatingAdmissionPolicy") => Some(Self::Admission),
            400 | 422 => Some(Self::Invalid),
            _ => None,
        }
    }

    /// Whether time alone may mend it.
    pub fn passes(self) -> bool {
        self == Self::WebhookAway
    }

    /// One word for the counter.
    pub fn word(self) -> &'static str {
        match self {
            Self::NamespaceGone => "NamespaceGone",
            Self::Quota => "Quota",
            Self::Admission => "Admission",
            Self::WebhookAway => "WebhookAway",
            Self::Invalid => "Invalid",
            Self::TooLarge => "TooLarge",
        }
    }

    /// What a human can do, so that it is stored the next time.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NamespaceGone => "Create the namespace again with its policy, or leave it if that was meant to go",
            Self::Quota => "Raise the namespace's ResourceQuota, or delete ended Incidents there",
            Self::Admission => "Let the operator's Incidents past that webhook or policy",
            Self::WebhookAway => "It is tried again; see that the webhook answers",
            Self::Invalid => "Install the CRDs of the operator's own release",
            Self::TooLarge => "Report it: an Incident is kept far smaller than that",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, kind: &str, name: &str, message: &str) -> Status {
        let status = serde_json::json!({"code": code, "message": message, "details": {"kind": kind, "name": name}});
        serde_json::from_value(status).expect("a status")
    }

    /// The words are those of kube-apiserver 1.33.
    #[test]
    fn a_refusal_of_one_object_is_told_from_one_of_everybody() {
        let (kind, name) = ("incidents", "dynamodb-1");
        let forbidden = |why: &str| format!("incidents.reforge.dev \"dynamodb-1\" is forbidden: {why}");
        for (code, kind, name, message, expected) in [
            (404, "namespaces", "shop", "namespaces \"shop\" not found".to_owned(), Some(Refusal::NamespaceGone)),
            (
                403,
                kind,
                name,
                forbidden("unable to create new content in namespace shop because it is being terminated"),
                Some(Refusal::NamespaceGone),
            ),
            (403, kind, name, forbidden("exceeded quota: few, requested: 1"), Some(Refusal::Quota)),
            (
                403,
                kind,
                name,
                forbidden("ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no"),
                Some(Refusal::Admission),
            ),
            (
                401,
                kind,
                name,
                forbidden("ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no"),
                Some(Refusal::Admission),
            ),
            (
                422,
                kind,
                name,
                forbidden("ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no"),
                Some(Refusal::Admission),
            ),
            (400, "", "", "admission webhook \"a.b\" denied the request: no".to_owned(), Some(Refusal::Admission)),
            (500, "", "", "admission webhook \"a.b\" denied the request: no".to_owned(), Some(Refusal::Admission)),
            (422, kind, name, "Incident.reforge.dev \"dynamodb-1\" is invalid".to_owned(), Some(Refusal::Invalid)),
            (413, "", "", "Request entity too large: limit is 3145728".to_owned(), Some(Refusal::TooLarge)),
            (
                403,
                kind,
                "",
                "incidents.reforge.dev is forbidden: User \"x\" cannot create resource \"incidents\"".to_owned(),
                None,
            ),
            (403, kind, name, forbidden("User \"x\" cannot get resource \"incidents\""), None),
            (401, "", "", "Unauthorized".to_owned(), None),
            (404, "", "", "the server could not find the requested resource".to_owned(), None),
            (429, "", "", "too many requests".to_owned(), None),
            (
                500,
                "",
                "",
                "Internal error occurred: failed calling webhook \"a.b\": no route to host".to_owned(),
                Some(Refusal::WebhookAway),
            ),
            (500, "", "", "Internal error occurred: etcdserver: request timed out".to_owned(), None),
            (503, "", "", "apiserver is shutting down".to_owned(), None),
        ] {
            assert_eq!(Refusal::of(&answer(code, kind, name, &message)), expected, "{code} {message}");
        }
    }
}
