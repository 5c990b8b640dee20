//! A function: Active, and its last update through.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{LastUpdateStatus, State};
use reforge_core::words::fault::Fault;

use super::{Found, Question, ask};

pub(super) async fn find(client: &Client, question: &Question<'_>) -> Result<Found, Fault> {
    let name = question.id_of("aws_lambda_function").unwrap_or(question.old_id);
    let call = client.get_function_configuration().function_name(name).send();
    let Some(function) = ask(&format!("function {name}"), &["ResourceNotFoundException"], call).await? else {
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
