//! A call that did not go well, as a value: what was being done, what kind of fault it is, and what the other side said, in
//! its own words. What people see and what decisions stand on is made of it; no request id and no debugging output gets in,
//! so that the same fault twice is the same value twice.
//!
//! What turns an SDK's error into one is where AWS is asked.

use std::fmt;

use reforge_api::{FaultClass, reason};

use crate::words::text::shorten;

/// The most of what the other side said that is kept, in characters.
const MAX_SAID: usize = 600;

/// A call that did not go well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What was being done, to which thing: "reading s3://b/inventory/shop.json".
    pub doing: String,
    /// What kind of fault it is.
    pub class: FaultClass,
    /// What was said.
    pub said: String,
}

impl Fault {
    /// A fault; of what was said only the part is kept that is the same the next time.
    pub fn new(doing: impl Into<String>, class: FaultClass, said: &str) -> Self {
        Self { doing: doing.into(), class, said: steady(said) }
    }

    /// Nobody answered in time, or nobody could be reached.
    pub fn transient(doing: impl Into<String>, said: &str) -> Self {
        Self::new(doing, FaultClass::Transient, said)
    }

    /// There is no such thing.
    pub fn absent(doing: impl Into<String>, said: &str) -> Self {
        Self::new(doing, FaultClass::Absent, said)
    }

    /// Reforge, its settings or what it was given is at fault: trying again alone mends nothing.
    pub fn ours(doing: impl Into<String>, said: &str) -> Self {
        Self::new(doing, FaultClass::Ours, said)
    }

    /// The reason of a condition that tells of it.
    pub fn reason(&self) -> &'static str {
        match self.class {
            FaultClass::Throttled => reason::THROTTLED,
            FaultClass::Denied => reason::ACCESS_DENIED,
            FaultClass::Absent => reason::NOT_FOUND,
            FaultClass::Transient => reason::UNREACHABLE,
            FaultClass::Ours => reason::NOT_ACCEPTED,
        }
    }

    /// What a human can do about it; nothing where time alone mends it.
    fn remedy(&self) -> &'static str {
        match self.class {
            FaultClass::Denied => {
                ". Give the role that is named there that right: the Terraform module of this release grants all that is needed, unless a policy of the organisation or a boundary denies it"
            }
            FaultClass::Absent => ". Check that it exists, in that account and region",
            FaultClass::Ours => {
                ". Trying again will not mend that: look at the settings, and report it if they are right"
            }
            FaultClass::Throttled | FaultClass::Transient => "",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doing, class, said } = self;
        let what = match class {
            FaultClass::Throttled => "AWS wants fewer calls",
            FaultClass::Denied => "refused",
            FaultClass::Absent => "there is no such thing",
            FaultClass::Transient => "it did not go through",
            FaultClass::Ours => "not accepted",
        };
        write!(f, "{doing}: {what}: {said}{}", self.remedy())
    }
}

impl std::error::Error for Fault {}

/// What was said without what differs from call to call: ids of requests, and EC2's encoded message, which is for its own
/// decoder (IAM User Guide, "DecodeAuthorizationMessage").
fn steady(said: &str) -> String {
    let said = said.split("Encoded authorization failure message").next().unwrap_or_default();
    let words = said.split_whitespace().map(|word| if is_request_id(word) { "…" } else { word });
    let mut said = words.collect::<Vec<_>>().join(" ");
    for label in ["Request ID: …", "RequestId: …", "request id: …", "requestID: …"] {
        said = said.replace(label, "");
    }
    shorten(said.trim_end_matches(['.', ' ', ';', ',']), MAX_SAID)
}

/// A UUID, or the 16 characters and the base64 that S3 calls its ids, whatever punctuation is around them.
fn is_request_id(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    let groups: Vec<&str> = bare.split('-').collect();
    let is_uuid = groups.len() == 5 && [8, 4, 4, 4, 12].iter().zip(&groups).all(|(n, g)| g.len() == *n && is_hex(g));
    let is_upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    is_uuid || (bare.len() == 16 && bare.bytes().all(is_upper) && bare.bytes().any(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fault_twice_is_the_same_value() {
        let said = |id: &str| {
            format!(
                "The ciphertext refers to a key that is not there. (Service: AWSKMS; Request ID: {id}; Proxy: null)"
            )
        };
        let of = |id: &str| Fault::transient("reading it", &said(id));
        assert_eq!(of("11111111-2222-4333-8444-555555555555"), of("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"));
        assert_eq!(of("5N1VZJ8QX2CKD7R3"), of("0A1B2C3D4E5F6G7H"));
    }

    #[test]
    fn what_ec2_encodes_for_its_own_decoder_is_left_out() {
        let said = "You are not authorized to perform this operation. Encoded authorization failure message: aGVsbG8";
        let fault = Fault::new("looking", FaultClass::Denied, said);
        assert_eq!(fault.said, "You are not authorized to perform this operation");
    }

    #[test]
    fn a_name_is_no_request_id() {
        let said =
            "role/reforge-operator may not s3:GetObject on arn:aws:s3:::reforge-111122223333/inventory/shop.json";
        assert_eq!(Fault::new("x", FaultClass::Denied, said).said, said);
    }

    #[test]
    fn who_is_denied_reads_what_was_done_what_aws_said_and_what_to_do() {
        let said = "User: arn:aws:sts::1:assumed-role/reforge-operator/x is not authorized to perform: s3:GetObject";
        let text = Fault::new("reading s3://b/k", FaultClass::Denied, said).to_string();
        assert!(text.starts_with("reading s3://b/k: refused: User: arn:aws:sts::1:assumed-role/reforge-operator/x"));
        assert!(text.contains("s3:GetObject") && text.contains("Give the role"), "{text}");
    }
}
