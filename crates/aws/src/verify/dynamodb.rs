//! A table: gone, or ACTIVE again.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{TableDescription, TableStatus};
use reforge_core::incident::subject::Subject;
use reforge_core::words::fault::Fault;

use crate::gather::Gather;

use super::{Found, ask, asking};

/// DescribeTable.
pub(super) fn tables(client: Client) -> Gather<TableDescription> {
    Gather::one_by_one(move |name| {
        let call = client.describe_table().table_name(name).send();
        async move { Ok(ask(&["ResourceNotFoundException"], call).await?.and_then(|output| output.table)) }
    })
}

pub(super) async fn settling(tables: &Gather<TableDescription>, name: &str) -> Result<Option<String>, Fault> {
    let table = describe(tables, name).await?;
    let status = table.and_then(|t| t.table_status);
    Ok((status == Some(TableStatus::Deleting)).then(|| format!("table {name} is DELETING")))
}

pub(super) async fn find(tables: &Gather<TableDescription>, subject: &Subject<'_>) -> Result<Found, Fault> {
    let name = subject.id_of("aws_dynamodb_table").unwrap_or(subject.old_id);
    let Some(table) = describe(tables, name).await? else {
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

async fn describe(tables: &Gather<TableDescription>, name: &str) -> Result<Option<TableDescription>, Fault> {
    tables.one(name, &asking(&format!("table {name}"))).await
}
