//! AWS's own word: whether a change is through ([`Verifier::settled`]), and whether a resource is back
//! ([`Verifier::verify`]). One file per way of asking. Reads only.

mod cloud_control;
mod dynamodb;
mod ec2;
mod lambda;
mod s3;
mod ssm;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::TableDescription;
use aws_sdk_ec2::types::Instance;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::BucketVersioningStatus;
use aws_sdk_ssm::types::ParameterMetadata;
use reforge_api::{Change, Check, Data, Verification};
use reforge_core::catalog::Verify;
use reforge_core::incident::subject::Subject;
use reforge_core::words::fault::Fault;

use crate::ask::{fault, silence};
use crate::gather::Gather;

const TIMEOUT: Duration = Duration::from_secs(10);

/// What a service says of the resource.
struct Found {
    check: Check,
    more: Vec<Check>,
    id: Option<String>,
    arn: Option<String>,
}

impl Found {
    fn new(name: &str, passed: bool, detail: impl Into<String>) -> Self {
        Self { check: check(name, passed, detail), more: Vec::new(), id: None, arn: None }
    }
}

/// The services that are asked. Each is asked by all Incidents of the account and region together.
#[derive(Clone, Debug)]
pub struct Verifier {
    resources: Gather<cloud_control::Said>,
    tables: Gather<TableDescription>,
    instances: Gather<Instance>,
    functions: Gather<GetFunctionConfigurationOutput>,
    buckets: Gather<Option<BucketVersioningStatus>>,
    parameters: Gather<ParameterMetadata>,
}

impl Verifier {
    /// Clients for the account and region of `config`; `s3` as the artifacts are read with. Starts the tasks that ask, which
    /// end with the last clone.
    pub fn new(config: &SdkConfig, s3: aws_sdk_s3::Client) -> Self {
        Self {
            resources: cloud_control::resources(aws_sdk_cloudcontrol::Client::new(config)),
            tables: dynamodb::tables(aws_sdk_dynamodb::Client::new(config)),
            instances: ec2::instances(aws_sdk_ec2::Client::new(config)),
            functions: lambda::functions(aws_sdk_lambda::Client::new(config)),
            buckets: s3::buckets(s3),
            parameters: ssm::parameters(aws_sdk_ssm::Client::new(config)),
        }
    }

    /// Whether AWS has carried the change out; if not, what it says. Where deleting is a matter of the call itself,
    /// nothing is asked.
    pub async fn settled(&self, r#type: &str, id: &str, change: Change) -> Result<Option<String>, Fault> {
        match (r#type, change) {
            ("dynamodb", Change::Deleted) => dynamodb::settling(&self.tables, id).await,
            ("ec2", Change::Deleted | Change::Stopped) => ec2::settling(&self.instances, id).await,
            _ => Ok(None),
        }
    }

    /// Whether the resource is back.
    pub async fn verify(&self, subject: &Subject<'_>) -> Result<Verification, Fault> {
        let found = match subject.resource_type {
            "dynamodb" => Some(dynamodb::find(&self.tables, subject).await?),
            "ec2" => Some(ec2::find(&self.instances, subject).await?),
            "lambda" => Some(lambda::find(&self.functions, subject).await?),
            "s3" => Some(s3::find(&self.buckets, subject).await?),
            "ssm" => Some(ssm::find(&self.parameters, subject).await?),
            _ => None,
        };
        let properties = self.properties(subject).await?;
        let detail = if subject.plan_is_empty { "nothing left to change" } else { "the plan would still change it" };
        let mut checks = vec![check("Terraform agrees", subject.plan_is_empty, detail)];
        let (mut new_id, mut new_arn) = (None, None);
        if let Some(found) = found {
            checks.insert(0, found.check);
            checks.extend(found.more);
            (new_id, new_arn) = (found.id, found.arn);
        } else if let Some(main) = subject.now.first() {
            (new_id, new_arn) = (main.id.clone(), main.arn.clone());
        }
        checks.extend(properties);
        let data = match (subject.stateful, subject.change) {
            (true, Change::Deleted) if subject.restores_data => Data::Unknown,
            (true, Change::Deleted) => Data::Empty,
            _ => Data::Intact,
        };
        Ok(Verification { checks, new_id, new_arn, data })
    }
}

impl Verifier {
    /// What Cloud Control says, where it is the one to ask or the policy expects something.
    async fn properties(&self, subject: &Subject<'_>) -> Result<Vec<Check>, Fault> {
        if subject.verify != Verify::CloudControl && subject.expect.is_empty() {
            return Ok(Vec::new());
        }
        let Some(id) = subject.cloud_control_id else {
            return Ok(vec![check("resource is there", false, "Terraform knows no resource at the address")]);
        };
        let seen = cloud_control::look(&self.resources, subject, id).await?;
        Ok(cloud_control::checks(&seen, subject, id))
    }
}

fn check(name: &str, passed: bool, detail: impl Into<String>) -> Check {
    Check {
        name: reforge_core::words::text::shorten(name, 128),
        passed,
        detail: reforge_core::words::text::shorten(&detail.into(), 512),
    }
}

/// What is being done, in a fault.
fn asking(what: &str) -> String {
    format!("asking AWS about {what}")
}

/// Asks with a deadline; None when AWS says that there is no such thing, by one of the codes in `absent`.
async fn ask<T, E>(absent: &[&str], call: impl Future<Output = Result<T, SdkError<E>>>) -> Result<Option<T>, Fault>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    answered(absent, call).await.map(Result::ok)
}

/// The same; where there is no such thing, which of the codes said so. The answer to a HEAD has a status and no code. Who asked
/// says what was being done.
async fn answered<T, E>(
    absent: &[&str],
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<Result<T, String>, Fault>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(Ok(answer)),
        Ok(Err(error)) => match error.code().filter(|code| absent.contains(code)) {
            Some(code) => Ok(Err(code.to_owned())),
            None => Err(fault("", &error)),
        },
        Err(_) => Err(silence("", TIMEOUT)),
    }
}
