//! What a call asks for beyond itself, which the request alone does not tell: the use of customer keys, and the role in an instance profile.

use super::action::{Access, Ask, bucket_of, key_arn, parameter_arn, pass_role};
use super::policies::Policies;
use crate::edge::call::Call;
use crate::edge::http::Request;

/// Completes the questions of a call: aliases become keys, and what depends is added.
///
/// # Errors
/// When the emulator can't be reached.
pub async fn complete(
    policies: &Policies,
    request: &Request,
    call: &Call,
    accesses: &mut Vec<Access>,
) -> anyhow::Result<()> {
    let ask = Ask::new(request, call);
    if let Some(profile) = super::action::instance_profile(&ask)
        && let Some(role) = policies.role_in_profile(&call.credential.scope(), &profile).await?
    {
        accesses.push(pass_role(&role, "ec2.amazonaws.com"));
    }
    for access in accesses.iter_mut().filter(|a| a.resource.contains(":alias/") && !a.action.ends_with("Alias")) {
        if let Some(key) = policies.resource(&access.resource).await? {
            access.resource.clone_from(&key.arn);
        }
    }
    let Some((key, actions)) = key_use(policies, request, call).await? else { return Ok(()) };
    // Keys that AWS keeps for a service are open to whoever may use the service.
    if key.contains("alias/aws/") {
        return Ok(());
    }
    let arn = key_arn(&key, &call.credential.account, &call.credential.region);
    let arn = policies.resource(&arn).await?.map_or(arn, |key| key.arn.clone());
    for action in actions {
        accesses.push(
            Access::new(format!("kms:{action}"), arn.clone())
                .with("kms:ViaService", format!("{}.{}.amazonaws.com", call.service, call.credential.region))
                .with("kms:CallerAccount", call.credential.account.clone())
                .with("kms:GrantIsForAWSResource", "true")
                .with("aws:ViaAWSService", "true"),
        );
    }
    Ok(())
}

type KeyUse = (String, &'static [&'static str]);

/// The customer key that the call makes use of, and what the service does with it on the caller's behalf.
async fn key_use(policies: &Policies, request: &Request, call: &Call) -> anyhow::Result<Option<KeyUse>> {
    let input = request.json();
    let text = |value: &serde_json::Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    Ok(match (call.service.as_str(), call.operation.as_str()) {
        ("s3", operation) => object_key(policies, request, operation).await?,
        // Amazon DynamoDB Developer Guide, "DynamoDB encryption at rest: usage notes".
        ("dynamodb", "CreateTable" | "UpdateTable") => {
            text(&input["SSESpecification"]["KMSMasterKeyId"]).map(|key| (key, &["DescribeKey", "CreateGrant"][..]))
        }
        // Amazon SNS Developer Guide, "Managing Amazon SNS encryption keys and costs".
        ("sns", "Publish" | "PublishBatch") => {
            let topic = call.parameters["topicArn"].as_str().unwrap_or_default();
            let key = policies.resource(topic).await?.and_then(|t| t.key.clone());
            key.map(|key| (key, &["GenerateDataKey", "Decrypt"][..]))
        }
        ("sqs", operation) => queue_key(policies, request, call, operation).await?,
        // AWS Systems Manager User Guide, "AWS KMS encryption for AWS Systems Manager Parameter Store SecureString parameters".
        ("ssm", "PutParameter") => text(&input["KeyId"]).map(|key| {
            let advanced = input["Tier"].as_str() == Some("Advanced");
            (key, if advanced { &["GenerateDataKey"][..] } else { &["Encrypt"][..] })
        }),
        ("ssm", "GetParameter" | "GetParameters") if input["WithDecryption"].as_bool() == Some(true) => {
            let name = text(&input["Name"]).or_else(|| text(&input["Names"][0])).unwrap_or_default();
            policies.parameter_key(&call.credential.scope(), &name).await?.map(|key| (key, &["Decrypt"][..]))
        }
        // AWS Lambda Developer Guide, "Securing Lambda environment variables".
        ("lambda", "CreateFunction" | "UpdateFunctionConfiguration") => {
            text(&input["KMSKeyArn"]).map(|key| (key, &["CreateGrant", "Encrypt"][..]))
        }
        // AWS Secrets Manager User Guide, "Secret encryption and decryption in AWS Secrets Manager".
        ("secretsmanager", "CreateSecret" | "UpdateSecret") => {
            text(&input["KmsKeyId"]).map(|key| (key, &["GenerateDataKey", "Decrypt"][..]))
        }
        _ => None,
    })
}

/// Amazon S3 User Guide, "Using server-side encryption with AWS KMS keys (SSE-KMS)". Reading the head needs no key.
async fn object_key(policies: &Policies, request: &Request, operation: &str) -> anyhow::Result<Option<KeyUse>> {
    let actions: &[&str] = match operation {
        "GetObject" => &["Decrypt"],
        "PutObject" => &["GenerateDataKey"],
        "CopyObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            &["GenerateDataKey", "Decrypt"]
        }
        _ => return Ok(None),
    };
    let given = request.header("x-amz-server-side-encryption-aws-kms-key-id");
    if !given.is_empty() {
        return Ok(Some((given.to_owned(), actions)));
    }
    if request.header("x-amz-server-side-encryption") == "AES256" {
        return Ok(None);
    }
    let Some(bucket) = bucket_of(request) else { return Ok(None) };
    let bucket = policies.resource(&format!("arn:aws:s3:::{bucket}")).await?;
    Ok(bucket.and_then(|b| b.key.clone()).map(|key| (key, actions)))
}

/// Amazon SQS Developer Guide, "Amazon SQS key management".
async fn queue_key(
    policies: &Policies,
    request: &Request,
    call: &Call,
    operation: &str,
) -> anyhow::Result<Option<KeyUse>> {
    let actions: &[&str] = match operation {
        "SendMessage" | "SendMessageBatch" => &["GenerateDataKey", "Decrypt"],
        "ReceiveMessage" => &["Decrypt"],
        _ => return Ok(None),
    };
    let mapped = super::action::of(&Ask::new(request, call));
    let Some(queue) = mapped.accesses.first() else { return Ok(None) };
    let key = policies.resource(&queue.resource).await?.and_then(|queue| queue.key.clone());
    Ok(key.map(|key| (key, actions)))
}

/// The key of a parameter that a build reads, for `Decrypt`.
///
/// # Errors
/// When the emulator can't be reached.
pub async fn parameter_read(
    policies: &Policies,
    scope: &crate::edge::upstream::Scope,
    name: &str,
) -> anyhow::Result<Vec<Access>> {
    let mut accesses = vec![Access::new("ssm:GetParameters", parameter_arn(name, &scope.account, &scope.region))];
    if let Some(key) = policies.parameter_key(scope, name).await?.filter(|k| !k.contains("alias/aws/")) {
        let arn = key_arn(&key, &scope.account, &scope.region);
        let arn = policies.resource(&arn).await?.map_or(arn, |key| key.arn.clone());
        accesses.push(
            Access::new("kms:Decrypt", arn).with("kms:ViaService", format!("ssm.{}.amazonaws.com", scope.region)),
        );
    }
    Ok(accesses)
}
