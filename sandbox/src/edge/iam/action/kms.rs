//! KMS ("Actions, resources, and condition keys for AWS Key Management Service").

use super::{Access, Ask};

/// The questions of a call. Aliases in place of keys are resolved by whoever knows them.
pub fn accesses(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let key = ask.text("KeyId");
    let own = |resource: String| Access { context: ask.tags(), ..Access::new(ask.own("kms"), resource) };
    Some(match ask.operation {
        "CreateKey" => {
            let tagging = ask.input["Tags"].as_array().is_some_and(|t| !t.is_empty());
            let tagging = tagging.then(|| Access { context: ask.tags(), ..Access::new("kms:TagResource", "*") });
            std::iter::once(own("*".to_owned())).chain(tagging).collect()
        }
        "ListKeys" | "ListAliases" | "GenerateRandom" => vec![own("*".to_owned())],
        // Permission on both the alias and the key.
        "CreateAlias" | "UpdateAlias" | "DeleteAlias" => {
            let alias = own(ask.arn("kms", ask.text("AliasName")));
            let target = Some(ask.text("TargetKeyId")).filter(|k| !k.is_empty());
            std::iter::once(alias).chain(target.map(|k| own(key_arn(k, ask.account, ask.region)))).collect()
        }
        _ if !key.is_empty() => vec![own(key_arn(key, ask.account, ask.region))],
        _ => return None,
    })
}

/// The ARN of a key by id, ARN or alias. An alias stays one.
pub fn key_arn(key: &str, account: &str, region: &str) -> String {
    match key {
        key if key.starts_with("arn:") => key.to_owned(),
        alias if alias.starts_with("alias/") => format!("arn:aws:kms:{region}:{account}:{alias}"),
        id => format!("arn:aws:kms:{region}:{account}:key/{id}"),
    }
}
