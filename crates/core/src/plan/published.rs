//! What an apply, or a build that failed, published: read elsewhere, looked at here. Inventories and summaries have files of
//! their own.

use reforge_api::Time;
use serde::Deserialize;

use crate::words::text::shorten;

/// `results/<workspace>/<build>.json`: what an apply did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyResult {
    /// The plan's digest.
    pub digest: String,
    /// Whether Terraform went through with it.
    pub applied: bool,
    /// Addresses that a plan made right afterwards would still change.
    #[serde(default)]
    pub remaining: Vec<String>,
    /// What was changed, as it is now.
    #[serde(default)]
    pub resources: Vec<Changed>,
}

/// `failures/<workspace>/<build>.json`: how a build failed, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct Failure {
    /// What Terraform said last.
    #[serde(default)]
    pub said: String,
    /// Who holds the state's lock, where that was it.
    #[serde(default)]
    pub lock: Option<Lock>,
}

/// Terraform's word on a state lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct Lock {
    /// Its id: what `terraform force-unlock` takes.
    pub id: String,
    /// What it is held for.
    pub operation: String,
    /// User and host.
    pub who: String,
    /// Since when, as Terraform writes it.
    pub created: String,
}

impl Lock {
    /// Since when: Terraform writes `2026-01-02 03:04:05.678901234 +0000 UTC`.
    pub fn created(&self) -> Option<Time> {
        let mut words = self.created.split_whitespace();
        let (day, time) = (words.next()?, words.next()?);
        Time::parse(&format!("{day}T{time}Z"))
    }
}

impl Failure {
    /// The end of what was said, as a status keeps it: 2,000 characters at most, none of which is an order to a terminal.
    pub fn tail(&self) -> String {
        let lines: Vec<String> = self.said.lines().map(|line| shorten(line, 500)).collect();
        let text = lines.join("\n");
        let surplus = text.chars().count().saturating_sub(2000);
        text.chars().skip(surplus).collect()
    }
}

/// A resource that an apply changed, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Changed {
    /// Its address.
    pub address: String,
    /// Its Terraform type.
    pub r#type: String,
    /// Its id.
    #[serde(default)]
    pub id: Option<String>,
    /// Its ARN.
    #[serde(default)]
    pub arn: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn the_end_of_what_terraform_said_is_kept_and_gives_a_terminal_no_orders() {
        let tail = |said: &str| Failure { said: said.to_owned(), lock: None }.tail();
        assert_eq!(tail("Error:\n\u{1b}[31m no such bucket"), "Error:\n\\u{1b}[31m no such bucket");
        let long = tail(&format!("first\n{}last", "x\n".repeat(2000)));
        assert_eq!(long.chars().count(), 2000);
        assert!(long.ends_with("x\nlast"), "{long}");
    }
}
