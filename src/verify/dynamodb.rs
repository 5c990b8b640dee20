//! A table: gone, or ACTIVE again.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{TableDescription, TableStatus};
use reforge_core::words::fault::Fault;

use super::{Found, Question, ask};

pub(super) async fn settling(client: &Client, name: &str) -> Result<Option<String>, Fault> {
    let table = describe(client, name).await?;
    let status = table.and_then(|t| t.table_status);
    Ok((status == Some(TableStatus::Deleting)).then(|| format!("table {name} is DELETING")))
}

pub(super) async fn find(client: &Client, question: &Question<'_>) -> Result<Found, Fault> {
    let name = question.id_of("aws_dynamodb_table").unwrap_or(question.old_id);
    let Some(table) = describe(client, name).await? else {
        return Ok(Found::new("table is ACTIVE", false, format!("there is no table {name}")));
    };
    let status = table.table_status();
    let billing = table.billing_mode_summary().and_then(|b| b.billing_mode()).map_or("PROVISIONED", |b| b.as_str());
    let said = status.map_or("without a status", TableStatus::as_str);
    let mut found =
        Found::new("table is ACTIVE", status == Some(&TableStatus::Active), format!("{said}, billing {billing}"));
    found.id = Some(name.to_owned());
    found.arn = table.table_arn;
    Ok(found)
}

async fn describe(client: &Client, name: &str) -> Result<Option<TableDescription>, Fault> {
    let call = client.describe_table().table_name(name).send();
    let output = ask(&format!("table {name}"), &["ResourceNotFoundException"], call).await?;
    Ok(output.and_then(|o| o.table))
}
