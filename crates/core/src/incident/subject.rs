//! What AWS is asked about once a plan was applied: the resource as Terraform knows it now.

use reforge_api::{BuildKind, Change, IncidentSpec, IncidentStatus};

use crate::catalog::{Entry, Verify};
use crate::plan::inventory::{Inventory, Owned};
use crate::plan::published::{ApplyResult, Changed};

/// A resource as Terraform knows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceIdentity {
    /// Its address.
    pub address: String,
    /// Its Terraform type.
    pub terraform_type: String,
    /// Its id.
    pub id: Option<String>,
    /// Its ARN.
    pub arn: Option<String>,
}

/// What AWS is asked about, and what is known of it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The catalogue's type.
    pub resource_type: &'a str,
    /// Its CloudFormation name.
    pub cloud_formation_type: &'a str,
    /// Who is asked.
    pub verify: Verify,
    /// What Cloud Control identifies the resource by now, where the inventory has it.
    pub cloud_control_id: Option<&'a str>,
    /// What had happened.
    pub change: Change,
    /// The id in the event.
    pub old_id: &'a str,
    /// The Incident's addresses as Terraform knows them now.
    pub now: Vec<ResourceIdentity>,
    /// Whether a plan made after the apply leaves the Incident's addresses alone.
    pub plan_is_empty: bool,
    /// Whether the type holds data that Terraform does not bring back.
    pub stateful: bool,
    /// Whether the Terraform was offered, and takes, something to bring the data back from.
    pub restores_data: bool,
    /// What the policy expects of the resource's properties, in CEL.
    pub expect: &'a [String],
}

impl Subject<'_> {
    /// The id that the first resource of a Terraform type has now.
    pub fn id_of(&self, terraform_type: &str) -> Option<&str> {
        self.now.iter().find(|r| r.terraform_type == terraform_type).and_then(|r| r.id.as_deref())
    }

    /// Whether Terraform knows a resource of this type at the Incident's addresses.
    pub fn has(&self, terraform_type: &str) -> bool {
        self.now.iter().any(|r| r.terraform_type == terraform_type)
    }
}

/// Whose result says what was applied, by the build's id; None: the Incident has no apply of its own.
pub fn apply_of(status: &IncidentStatus) -> Option<&str> {
    status.recovery.build.as_ref().filter(|b| b.kind == BuildKind::Apply).map(|b| b.id.as_str())
}

/// Whether the workspace's inventory is needed: what the apply reports of all that is the Incident's leaves nothing to look up, but
/// what Cloud Control calls it.
pub fn needs_inventory(status: &IncidentStatus, entry: Option<&Entry>, result: Option<&ApplyResult>) -> bool {
    let Some(workspace) = &status.workspace else { return false };
    let reports = |address: &String| result.iter().flat_map(|r| &r.resources).any(|r| r.address == *address);
    let is_told = workspace.addresses_unlisted == 0 && workspace.addresses.iter().all(reports);
    !is_told || entry.is_some_and(|e| e.verify == Verify::CloudControl)
}

/// What is asked, given what the apply published and what Terraform's state has; None: the Incident has no workspace.
pub fn subject<'a>(
    (spec, status): (&'a IncidentSpec, &IncidentStatus),
    entry: Option<&Entry>,
    (result, inventory): (Option<&ApplyResult>, Option<&'a Inventory>),
    expect: &'a [String],
) -> Option<Subject<'a>> {
    let workspace = status.workspace.as_ref()?;
    let listed = inventory.into_iter().flat_map(|inventory| &inventory.resources);
    let owned: Vec<&Owned> = listed.filter(|r| workspace.addresses.contains(&r.address)).collect();
    let main = owned.iter().find(|r| entry.is_some_and(|e| e.terraform_types.contains(&r.r#type)));
    let identifier = |r: &&'a Owned| entry.and_then(|e| r.attributes.get(&e.cloud_control_id));
    let plan_is_empty = match (result, apply_of(status)) {
        // What is not listed may be the resource's all the same.
        (Some(result), _) if workspace.addresses_unlisted > 0 => result.remaining.is_empty(),
        (Some(result), _) => !result.remaining.iter().any(|a| workspace.addresses.contains(a)),
        // Without an apply of its own the Incident came here because its plan was empty.
        (None, None) => true,
        (None, Some(_)) => false,
    };
    Some(Subject {
        resource_type: &spec.resource.r#type,
        cloud_formation_type: &spec.resource.cloud_formation_type,
        verify: entry.map_or(Verify::Plan, |e| e.verify),
        cloud_control_id: main.and_then(identifier).map(String::as_str),
        expect,
        change: spec.change,
        old_id: &spec.resource.id,
        now: identities(&owned, result),
        plan_is_empty,
        stateful: entry.is_none_or(|e| e.stateful),
        restores_data: status.plan.as_ref().is_some_and(|p| p.restores_data),
    })
}

/// What the apply itself reports is newer than any inventory.
fn identities(owned: &[&Owned], result: Option<&ApplyResult>) -> Vec<ResourceIdentity> {
    let listed = owned.iter().map(|r| ResourceIdentity {
        id: r.attributes.get("id").cloned(),
        arn: r.attributes.get("arn").cloned(),
        address: r.address.clone(),
        terraform_type: r.r#type.clone(),
    });
    let mut now: Vec<ResourceIdentity> = listed.collect();
    for Changed { address, r#type, id, arn } in result.iter().flat_map(|r| r.resources.clone()) {
        now.retain(|r| r.address != address);
        now.push(ResourceIdentity { address, terraform_type: r#type, id, arn });
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixture;
    use crate::incident::view::View;
    use reforge_api::StepName;
    use serde_json::json;

    fn inventory() -> Inventory {
        let resource = |address: &str, id: &str| json!({"address": address, "type": "t", "attributes": {"id": id}});
        let inventory = json!({
            "workspace": "shop", "accountId": "1", "region": "r", "backend": {"bucket": "b", "key": "k"},
            "resources": [resource("t.a", "old"), resource("t.other", "x")],
        });
        serde_json::from_value(inventory).expect("an inventory")
    }

    fn result(remaining: &[&str]) -> ApplyResult {
        let made = json!({"address": "t.a", "type": "t", "id": "new", "arn": null});
        let result = json!({"digest": "d", "applied": true, "remaining": remaining, "resources": [made]});
        serde_json::from_value(result).expect("a result")
    }

    #[test]
    fn what_an_apply_reports_is_newer_than_the_inventory_and_others_resources_are_nobodys_matter() {
        let (view, inventory) = (fixture::view(StepName::Verify), inventory());
        let of = |result: Option<&ApplyResult>| {
            let subject = subject((&view.spec, &view.status), None, (result, Some(&inventory)), &[]);
            let now = subject.expect("it has a workspace").now;
            now.into_iter().map(|r| (r.address, r.id.unwrap_or_default())).collect::<Vec<_>>()
        };
        assert_eq!(of(None), [("t.a".to_owned(), "old".to_owned())]);
        assert_eq!(of(Some(&result(&[]))), [("t.a".to_owned(), "new".to_owned())]);
    }

    #[test]
    fn what_the_apply_reports_whole_is_not_looked_up() {
        let mut view = fixture::view(StepName::Verify);
        assert!(needs_inventory(&view.status, None, None));
        assert!(!needs_inventory(&view.status, None, Some(&result(&[]))));
        view.status.workspace.as_mut().expect("a workspace").addresses.push("t.b".into());
        assert!(needs_inventory(&view.status, None, Some(&result(&[]))), "it reports one of two");
        view.status.workspace.as_mut().expect("a workspace").addresses.pop();
        view.status.workspace.as_mut().expect("a workspace").addresses_unlisted = 1;
        assert!(needs_inventory(&view.status, None, Some(&result(&[]))), "there are others");
    }

    #[test]
    fn a_plan_is_empty_by_the_applys_word_and_never_by_its_silence() {
        let mut view = fixture::view(StepName::Verify);
        let is_empty = |view: &View, result: Option<&ApplyResult>| {
            subject((&view.spec, &view.status), None, (result, None), &[]).expect("it has a workspace").plan_is_empty
        };
        assert!(is_empty(&view, None), "it came here because its plan was empty");
        view.status.recovery.build = Some(fixture::running(BuildKind::Apply));
        assert!(!is_empty(&view, None), "what the apply published is gone");
        assert!(is_empty(&view, Some(&result(&["t.other"]))), "another's address");
        assert!(!is_empty(&view, Some(&result(&["t.a"]))));
        view.status.workspace.as_mut().expect("a workspace").addresses_unlisted = 1;
        assert!(!is_empty(&view, Some(&result(&["t.other"]))), "which may be one that is not listed");
    }
}
