//! What a run signs with, and until when: resolved once, for a run ends in the account where it began. Pure.
//!
//! A run must not outlive what it signs with: its teardown would find itself locked out with everything still there. So
//! the expiry is known before anything is made, and a session that ends too early is no reason to hurry but to refuse.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::Deserialize;

/// How long the scenarios with all that is made for them may take; told to stop then, the run tears down. By
/// docs/acceptance.md it is an hour and a half where nothing hangs.
pub const PLAY: Duration = Duration::from_secs(2 * 3600);
/// What a teardown may take: two attempts at destroying, a network that goes slowly.
pub const TEARDOWN: Duration = Duration::from_secs(40 * 60);
/// Clocks that differ, a person who thinks before typing, a token that is refused a little early.
const MARGIN: Duration = Duration::from_secs(15 * 60);

/// What a run takes, with its teardown and the margin.
pub const NEEDED: Duration = PLAY.saturating_add(TEARDOWN).saturating_add(MARGIN);

/// Credentials as `credential_process` prints them.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    text: String,
    lasts: Lasts,
}

/// Until when they are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until somebody deletes the key.
    ForGood,
    /// Until then.
    Until(Timestamp),
    /// For some time, and they do not say how long: a token that somebody wrote into a file.
    Unknown,
}

/// AWS SDKs and Tools Reference Guide, "Process credential provider".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    access_key_id: String,
    session_token: Option<String>,
    expiration: Option<Timestamp>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({:?})", self.lasts)
    }
}

impl Session {
    /// What was printed, in the form that `credential_process` has.
    pub fn parse(text: &str) -> Result<Self> {
        // Whatever is wrong with it, it is nothing to be shown.
        let printed: Printed =
            serde_json::from_str(text).ok().context("what was printed is not what credential_process has")?;
        ensure!(!printed.access_key_id.is_empty(), "there is no access key in what was printed");
        let lasts = match (printed.expiration, printed.session_token) {
            (Some(until), _) => Lasts::Until(until),
            (None, Some(token)) if !token.is_empty() => Lasts::Unknown,
            // IAM User Guide, "IAM identifiers": the keys of sessions begin so.
            (None, _) if printed.access_key_id.starts_with("ASIA") => Lasts::Unknown,
            (None, _) => Lasts::ForGood,
        };
        Ok(Self { text: text.trim().to_owned(), lasts })
    }

    /// As it was printed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Until when it is good.
    pub fn lasts(&self) -> Lasts {
        self.lasts
    }
}

impl Lasts {
    /// Why a run must not begin with it.
    pub fn refusal(self, now: Timestamp) -> Option<String> {
        let needed = minutes(NEEDED);
        match self {
            Self::ForGood => None,
            Self::Unknown => Some(format!(
                "the profile's session does not say when it ends, and a run needs {needed} min: use a profile that signs \
                 in by itself (IAM Identity Center, a role, credential_process) or the keys of a user"
            )),
            Self::Until(end) => {
                let left = left(end, now);
                (left < NEEDED).then(|| {
                    format!(
                        "your session ends in {} min, at {end}, and a run with its teardown needs {needed} min: sign in \
                         anew, for longer (the permission set's session duration, or the role's maximum session duration \
                         with duration_seconds in the profile; a role become from another role has an hour at most), or \
                         use the keys of a user",
                        minutes(left)
                    )
                })
            }
        }
    }

    /// How long what is signed now may be good: to the run's end, and no longer than the session.
    pub fn presigned(self, now: Timestamp) -> Duration {
        match self {
            Self::Until(end) => left(end, now).min(NEEDED),
            Self::ForGood | Self::Unknown => NEEDED,
        }
    }

    /// How long what was made may be left as it is, if there is an end to it: then the teardown must begin.
    pub fn may_be_kept(self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Until(end) => Some(left(end, now).saturating_sub(TEARDOWN.saturating_add(MARGIN))),
            Self::ForGood | Self::Unknown => None,
        }
    }
}

/// Nothing, where it is over.
fn left(end: Timestamp, now: Timestamp) -> Duration {
    end.duration_since(now).try_into().unwrap_or_default()
}

fn minutes(of: Duration) -> u64 {
    of.as_secs() / 60
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Lasts, NEEDED, Session, TEARDOWN};

    fn now() -> Timestamp {
        "2026-11-26T10:00:00Z".parse().expect("a time")
    }

    fn of(text: &str) -> Lasts {
        Session::parse(text).expect("a session").lasts()
    }

    fn ending_in(left: Duration) -> Lasts {
        Lasts::Until(now() + left)
    }

    #[test]
    fn the_expiry_is_that_of_what_was_printed() {
        let keys = r#"{"Version": 1, "AccessKeyId": "AKIAX", "SecretAccessKey": "s"}"#;
        assert_eq!(of(keys), Lasts::ForGood);
        let session = r#"{"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2026-11-26T10:00:00+00:00"}"#;
        assert_eq!(of(session), Lasts::Until(now()));
        let pasted = r#"{"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s", "SessionToken": "t"}"#;
        assert_eq!(of(pasted), Lasts::Unknown);
        let tokenless = r#"{"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s"}"#;
        assert_eq!(of(tokenless), Lasts::Unknown, "a session's key says so by itself");
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let text = r#"{"Version": 1, "AccessKeyId": "AKIAX", "SecretAccessKey": "hidden"}"#;
        assert!(!format!("{:?}", Session::parse(text)).contains("hidden"));
        let broken = Session::parse(r#"{"SecretAccessKey": "hidden"}"#).expect_err("no key");
        assert!(!format!("{broken:#}").contains("hidden"));
    }

    #[test]
    fn a_session_that_ends_before_the_teardown_would_is_refused() {
        assert_eq!(ending_in(NEEDED).refusal(now()), None);
        let refusal = ending_in(NEEDED.saturating_sub(Duration::from_secs(60))).refusal(now()).expect("refused");
        assert!(refusal.contains("174 min") && refusal.contains("175 min"), "{refusal}");
        assert!(ending_in(Duration::ZERO).refusal(now()).is_some());
        let over = Lasts::Until(now() - Duration::from_secs(60));
        assert!(over.refusal(now()).is_some_and(|r| r.contains("in 0 min")));
        assert!(Lasts::Unknown.refusal(now()).is_some());
        assert_eq!(Lasts::ForGood.refusal(now()), None);
    }

    #[test]
    fn what_is_presigned_is_good_to_the_end_of_the_run_and_no_longer_than_the_session() {
        assert_eq!(Lasts::ForGood.presigned(now()), NEEDED);
        assert_eq!(ending_in(2 * NEEDED).presigned(now()), NEEDED);
        assert_eq!(ending_in(Duration::from_secs(600)).presigned(now()), Duration::from_secs(600));
    }

    #[test]
    fn what_is_kept_is_torn_down_while_the_session_lasts() {
        assert_eq!(Lasts::ForGood.may_be_kept(now()), None);
        let kept = ending_in(NEEDED).may_be_kept(now()).expect("an end");
        assert!(kept + TEARDOWN < NEEDED);
        assert_eq!(ending_in(TEARDOWN).may_be_kept(now()), Some(Duration::ZERO));
    }
}
