//! Who calls, and whether it is still the same account. Pure.

use serde_json::Value;

use super::names::Site;

/// Who runs this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Where.
    pub site: Site,
    /// The caller's ARN.
    pub arn: String,
    /// The account's alias, if it has one and the caller may know it.
    pub alias: String,
}

impl Identity {
    /// From what `GetCallerIdentity` says.
    pub fn of(caller: &Value, region: &str, alias: String) -> Option<Self> {
        let arn = caller["Arn"].as_str()?.to_owned();
        let account = caller["Account"].as_str()?.to_owned();
        let partition = arn.split(':').nth(1)?.to_owned();
        Some(Self { site: Site { account, region: region.to_owned(), partition }, arn, alias })
    }

    /// Why this caller cannot do it.
    pub fn refusal(&self) -> Option<String> {
        let resource = self.arn.splitn(6, ':').nth(5).unwrap_or_default();
        match resource.split('/').next() {
            Some("user" | "assumed-role") => None,
            Some("root") => Some(format!("you are {}: the root user cannot become the operator's role", self.arn)),
            _ => Some(format!("you are {}: a user or a session of a role is needed", self.arn)),
        }
    }
}

/// Who calls is at another place than the run. An error of its own, for there is no use in trying again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere(String);

impl std::error::Error for Elsewhere {}

impl std::fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether who calls `now` is where the run is. Another caller of the same account is: a teardown need not be the work of
/// who began the run. `again` is what to do then.
pub fn is_there(run: &Site, now: &Site, again: &str) -> Result<(), Elsewhere> {
    if run == now {
        return Ok(());
    }
    Err(Elsewhere(format!(
        "the run is in account {} ({}, {}), and you are in account {} ({}, {}) now: nothing more is made or removed; sign in \
         to {} again, and then: {again}",
        run.account, run.partition, run.region, now.account, now.partition, now.region, run.account
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Elsewhere, Identity, is_there};
    use crate::aws::names::Site;

    fn identity(arn: &str) -> Identity {
        let caller = json!({"Arn": arn, "Account": "111122223333"});
        Identity::of(&caller, "eu-west-1", "shop".to_owned()).expect("an identity")
    }

    #[test]
    fn users_and_sessions_may_and_the_root_user_may_not() {
        assert_eq!(identity("arn:aws:iam::111122223333:user/ann").refusal(), None);
        assert_eq!(identity("arn:aws:sts::111122223333:assumed-role/admin/ann").refusal(), None);
        assert!(identity("arn:aws:iam::111122223333:root").refusal().is_some());
        assert!(identity("arn:aws:sts::111122223333:federated-user/ann").refusal().is_some());
    }

    #[test]
    fn the_partition_is_that_of_the_caller() {
        assert_eq!(identity("arn:aws-us-gov:iam::111122223333:user/ann").site.partition, "aws-us-gov");
    }

    #[test]
    fn another_account_partition_or_region_is_elsewhere_and_another_caller_is_not() {
        let run = identity("arn:aws:iam::111122223333:user/ann").site;
        let same = identity("arn:aws:sts::111122223333:assumed-role/admin/bob").site;
        assert_eq!(is_there(&run, &same, "again"), Ok(()));
        let mut account = run.clone();
        account.account = "444455556666".to_owned();
        let mut region = run.clone();
        region.region = "eu-west-2".to_owned();
        let mut partition = run.clone();
        partition.partition = "aws-cn".to_owned();
        for now in [account, region, partition] {
            let refusal = is_there(&run, &now, "do it again").expect_err("refused").to_string();
            assert!(refusal.contains("111122223333") && refusal.contains("do it again"), "{refusal}");
        }
    }

    #[test]
    fn a_call_that_was_refused_for_its_account_is_told_from_one_that_failed() {
        let run = identity("arn:aws:iam::111122223333:user/ann").site;
        let now = Site { account: "444455556666".to_owned(), ..run.clone() };
        let refused = is_there(&run, &now, "").expect_err("refused");
        let error = anyhow::Error::from(refused).context("before aws ec2").context("removing");
        assert!(error.is::<Elsewhere>());
    }
}
