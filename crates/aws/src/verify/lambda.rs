//! A function: Active, and its last update through.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{LastUpdateStatus, State};
use reforge_core::incident::subject::Subject;
use reforge_core::words::fault::Fault;

use crate::gather::Gather;

use super::{Found, ask, asking};

/// GetFunctionConfiguration.
pub(super) fn functions(client: Client) -> Gather<GetFunctionConfigurationOutput> {
    Gather::one_by_one(move |name| {
        let call = client.get_function_configuration().function_name(name).send();
        async move { ask(&["ResourceNotFoundException"], call).await }
    })
}

pub(super) async fn find(
    functions: &Gather<GetFunctionConfigurationOutput>,
    subject: &Subject<'_>,
) -> Result<Found, Fault> {
    let name = subject.id_of("aws_lambda_function").unwrap_or(subject.old_id);
    let Some(function) = functions.one(name, &asking(&format!("function {name}"))).await? else {
        return Ok(Found::new("function is Active", false, format!("there is no function {name}")));
    };
    let updated = function.last_update_status();
    let active = function.state() == Some(&State::Active);
    let through = updated.is_none_or(|u| *u == LastUpdateStatus::Successful);
    let detail = format!(
        "state {}, last update {}",
        function.state().map_or("unknown", State::as_str),
        updated.map_or("none", LastUpdateStatus::as_str)
    );
    let mut found = Found::new("function is Active", active && through, detail);
    found.id = Some(name.to_owned());
    found.arn = function.function_arn;
    Ok(found)
}
