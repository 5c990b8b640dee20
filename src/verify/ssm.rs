//! A parameter: there, at a new version. Its value is never read: it may be a secret, and the plan says whether it is
//! what Terraform wants.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterStringFilter;
use reforge_core::words::fault::Fault;

use super::{Found, Question, ask};

pub(super) async fn find(client: &Client, question: &Question<'_>) -> Result<Found, Fault> {
    let name = question.id_of("aws_ssm_parameter").unwrap_or(question.old_id);
    let what = format!("parameter {name}");
    let filter = ParameterStringFilter::builder().key("Name").option("Equals").values(name).build();
    let filter = filter.map_err(|e| Fault::ours(format!("asking AWS about {what}"), &e.to_string()))?;
    let call = client.describe_parameters().parameter_filters(filter).send();
    let output = ask(&what, &["ParameterNotFound"], call).await?;
    let parameter = output.and_then(|o| o.parameters).unwrap_or_default().into_iter().next();
    let Some(parameter) = parameter else {
        return Ok(Found::new("parameter exists", false, format!("there is no parameter {name}")));
    };
    let mut found = Found::new("parameter exists", true, format!("version {}", parameter.version));
    found.id = Some(name.to_owned());
    found.arn = parameter.arn;
    Ok(found)
}
