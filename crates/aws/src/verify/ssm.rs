//! A parameter: there, at a new version. Its value is never read: it may be a secret, and the plan says whether it is
//! what Terraform wants.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{ParameterMetadata, ParameterStringFilter};
use reforge_core::incident::subject::Subject;
use reforge_core::words::fault::Fault;

use crate::gather::Gather;

use super::{Found, ask, asking};

/// DescribeParameters. A page may be empty and not the last one (API reference of Systems Manager, DescribeParameters).
pub(super) fn parameters(client: Client) -> Gather<ParameterMetadata> {
    Gather::one_by_one(move |name| {
        let client = client.clone();
        async move {
            let filter = ParameterStringFilter::builder().key("Name").option("Equals").values(name).build();
            let filter = filter.map_err(|e| Fault::ours("", &e.to_string()))?;
            let mut pages = client.describe_parameters().parameter_filters(filter).into_paginator().send();
            let first = async {
                while let Some(page) = pages.next().await.transpose()? {
                    if let Some(found) = page.parameters.unwrap_or_default().into_iter().next() {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            };
            ask(&["ParameterNotFound"], first).await.map(Option::flatten)
        }
    })
}

pub(super) async fn find(parameters: &Gather<ParameterMetadata>, subject: &Subject<'_>) -> Result<Found, Fault> {
    let name = subject.id_of("aws_ssm_parameter").unwrap_or(subject.old_id);
    let parameter = parameters.one(name, &asking(&format!("parameter {name}"))).await?;
    let Some(parameter) = parameter else {
        return Ok(Found::new("parameter exists", false, format!("there is no parameter {name}")));
    };
    let mut found = Found::new("parameter exists", true, format!("version {}", parameter.version));
    found.id = Some(name.to_owned());
    found.arn = parameter.arn;
    Ok(found)
}
