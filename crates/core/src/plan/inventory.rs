//! Inventories: what each Terraform workspace owns, as its builds publish it. Given inventories and a resource, says
//! which workspace has it and under which addresses. Never asks AWS.

use std::collections::BTreeMap;
use std::sync::Arc;

use reforge_api::WorkspaceRef;
use serde::Deserialize;

use crate::catalog::Entry;

/// The most addresses of one resource and its attachments that are listed; how many there are beyond is kept.
const MAX_ADDRESSES: usize = 32;

/// `inventory/<workspace>.json`: everything in one Terraform state, without values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The workspace, as the project's environment names it.
    pub workspace: String,
    /// The account that the resources are in.
    pub account_id: String,
    /// The region of the provider.
    pub region: String,
    /// Where the state is kept.
    pub backend: Backend,
    /// The resources in the state.
    pub resources: Vec<Owned>,
}

/// Where a Terraform state is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Backend {
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
}

/// One resource in a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Owned {
    /// Its Terraform address.
    pub address: String,
    /// Its Terraform type.
    pub r#type: String,
    /// The attributes that identify it.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Where a resource belongs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// This workspace owns it.
    Owned(WorkspaceRef),
    /// Every inventory was read, and none lists it.
    NotManaged,
    /// These workspaces have no inventory, and none of the others lists it: nobody can tell.
    Missing(Vec<String>),
}

/// Finds the resource `id` of the catalogue's type `entry` in the inventories, in the order of the policy's workspaces.
///
/// The addresses are those of the resource itself, then those of what hangs on it.
pub fn locate(
    inventories: &[(String, Option<Arc<Inventory>>)],
    entry: &Entry,
    account: &str,
    region: &str,
    id: &str,
) -> Location {
    for (name, inventory) in inventories {
        let Some(inventory) =
            inventory.as_ref().filter(|i| i.account_id == account && (entry.global || i.region == region))
        else {
            continue;
        };
        let is = |owned: &&Owned| {
            entry.identity.iter().any(|name| {
                owned.attributes.get(name).is_some_and(|value| value == id || entry.normalised(value) == id)
            })
        };
        let of = |types: &[String]| -> Vec<String> {
            let listed = inventory.resources.iter().filter(|o| types.contains(&o.r#type)).filter(is);
            listed.map(|o| o.address.clone()).collect()
        };
        let mut addresses = of(&entry.terraform_types);
        if addresses.is_empty() {
            continue;
        }
        addresses.extend(of(&entry.attachments));
        let addresses_unlisted = u32::try_from(addresses.len().saturating_sub(MAX_ADDRESSES)).unwrap_or(u32::MAX);
        addresses.truncate(MAX_ADDRESSES);
        let backend = format!("{}/{}", inventory.backend.bucket, inventory.backend.key);
        return Location::Owned(WorkspaceRef { name: name.clone(), backend, addresses, addresses_unlisted });
    }
    let missing: Vec<String> = inventories.iter().filter(|(_, i)| i.is_none()).map(|(n, _)| n.clone()).collect();
    if missing.is_empty() { Location::NotManaged } else { Location::Missing(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    fn inventory(account: &str) -> Arc<Inventory> {
        let owned = |address: &str, r#type: &str, pairs: &[(&str, &str)]| Owned {
            address: address.into(),
            r#type: r#type.into(),
            attributes: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        Arc::new(Inventory {
            workspace: "shop".into(),
            account_id: account.into(),
            region: "eu-west-1".into(),
            backend: Backend { bucket: "states".into(), key: "shop".into() },
            resources: vec![
                owned("aws_s3_bucket.data", "aws_s3_bucket", &[("id", "shop-data"), ("bucket", "shop-data")]),
                owned("aws_s3_bucket_versioning.data", "aws_s3_bucket_versioning", &[("bucket", "shop-data")]),
                owned("aws_s3_bucket_versioning.other", "aws_s3_bucket_versioning", &[("bucket", "elsewhere")]),
            ],
        })
    }

    fn find(id: &str, inventories: &[(String, Option<Arc<Inventory>>)]) -> Location {
        let entry = Catalog::builtin().entry("s3").unwrap();
        locate(inventories, entry, "111122223333", "eu-west-1", id)
    }

    #[test]
    fn what_hangs_on_a_bucket_belongs_to_it() {
        let Location::Owned(found) = find("shop-data", &[("shop".into(), Some(inventory("111122223333")))]) else {
            panic!("not located");
        };
        assert_eq!(found.addresses, ["aws_s3_bucket.data", "aws_s3_bucket_versioning.data"]);
        assert_eq!(found.backend, "states/shop");
    }

    #[test]
    fn a_resource_is_found_by_its_name_where_terraform_keeps_its_arn() {
        let mut inventory = Inventory::clone(&inventory("111122223333"));
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders";
        inventory.resources = vec![Owned {
            address: "aws_lambda_function.orders".into(),
            r#type: "aws_lambda_function".into(),
            attributes: [("function_name".to_owned(), arn.to_owned())].into(),
        }];
        let entry = Catalog::builtin().entry("lambda").unwrap();
        let inventories = [("shop".to_owned(), Some(Arc::new(inventory)))];
        let found = |id: &str| locate(&inventories, entry, "111122223333", "eu-west-1", id);
        assert!(matches!(found("orders"), Location::Owned(w) if w.addresses == ["aws_lambda_function.orders"]));
        assert_eq!(found("users"), Location::NotManaged);
    }

    #[test]
    fn how_many_addresses_are_not_listed_is_kept() {
        let mut inventory = Inventory::clone(&inventory("111122223333"));
        let rule = Owned { address: String::new(), ..inventory.resources[1].clone() };
        inventory.resources.extend((0..50).map(|i| Owned { address: format!("rule.{i}"), ..rule.clone() }));
        let Location::Owned(found) = find("shop-data", &[("shop".into(), Some(Arc::new(inventory)))]) else {
            panic!("not located");
        };
        assert_eq!((found.addresses.len(), found.addresses_unlisted), (MAX_ADDRESSES, 20));
    }

    #[test]
    fn a_resource_that_no_terraform_owns_is_not_managed() {
        assert_eq!(find("other", &[("shop".into(), Some(inventory("111122223333")))]), Location::NotManaged);
    }

    #[test]
    fn the_same_name_in_another_account_is_another_resource() {
        assert_eq!(find("shop-data", &[("shop".into(), Some(inventory("999999999999")))]), Location::NotManaged);
    }

    #[test]
    fn without_an_inventory_nobody_can_tell() {
        assert_eq!(find("shop-data", &[("shop".into(), None)]), Location::Missing(vec!["shop".into()]));
    }
}
