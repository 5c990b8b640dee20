//! What an acceptance run calls the things that it makes: everything begins with one prefix, so that it can be found again
//! by whoever knows nothing but that. Pure.

use sandbox::scenario::Resources;
use serde::{Deserialize, Serialize};

/// What every name begins with; also the name of the module's install.
pub const PREFIX: &str = "reforge-acceptance";
/// The tag on everything; its value is the id of the run.
pub const TAG: &str = "reforge.dev/acceptance";
/// The object with the machine's own Terraform.
pub const TERRAFORM_KEY: &str = "terraform-linux-amd64.zip";
/// The object with the Terraform that the projects build from.
pub const SOURCE_KEY: &str = "terraform.zip";

/// Where a run is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Site {
    /// The account's id.
    pub account: String,
    /// The region.
    pub region: String,
    /// `aws`, or that of China or GovCloud.
    pub partition: String,
}

impl Site {
    /// The bucket with the source.
    pub fn source_bucket(&self) -> String {
        format!("{PREFIX}-source-{}-{}", self.account, self.region)
    }

    /// The install's bucket, with the workspaces' states.
    pub fn artifact_bucket(&self) -> String {
        format!("{PREFIX}-{}-{}", self.account, self.region)
    }

    /// The bucket that the trail writes to.
    pub fn trail_bucket(&self) -> String {
        format!("{PREFIX}-trail-{}-{}", self.account, self.region)
    }

    /// The trail.
    pub fn trail() -> String {
        format!("{PREFIX}-trail")
    }

    /// The trail's ARN.
    pub fn trail_arn(&self) -> String {
        format!("arn:{}:cloudtrail:{}:{}:trail/{}", self.partition, self.region, self.account, Self::trail())
    }

    /// The plan project and the recovery project of a workspace.
    pub fn projects(workspace: &str) -> [String; 2] {
        [format!("{PREFIX}-{workspace}-plan"), format!("{PREFIX}-{workspace}-recovery")]
    }

    /// What the scenarios break: the defaults of `terraform/environments/acceptance/workspaces`.
    pub fn resources(&self) -> Resources {
        Resources {
            instance: format!("{PREFIX}-web"),
            function: format!("{PREFIX}-function"),
            table: format!("{PREFIX}-table"),
            bucket: format!("{PREFIX}-data-{}-{}", self.account, self.region),
            parameter: format!("/{PREFIX}/mode"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PREFIX, Site};

    fn site(region: &str) -> Site {
        Site { account: "111122223333".to_owned(), region: region.to_owned(), partition: "aws".to_owned() }
    }

    #[test]
    fn names_fit_where_the_region_is_long() {
        let site = site("ap-southeast-1-zzz");
        let longest = [site.source_bucket(), site.trail_bucket(), site.resources().bucket];
        assert!(longest.iter().all(|name| name.len() <= 63), "{longest:?}");
    }

    #[test]
    fn everything_begins_with_the_prefix() {
        let site = site("eu-west-1");
        let of = site.resources();
        let names =
            [site.source_bucket(), site.trail_bucket(), Site::trail(), of.instance, of.function, of.table, of.bucket];
        assert!(names.iter().chain(&Site::projects("ec2")).all(|name| name.starts_with(&format!("{PREFIX}-"))));
        assert!(of.parameter.starts_with(&format!("/{PREFIX}/")));
    }
}
