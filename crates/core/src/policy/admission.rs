//! Whether the apiserver still checks who decides: the admission policies as the chart renders them, compared with those
//! that are there.

use serde_json::{Map, Value};

/// What the apiserver fills in by itself, and so says nothing else than leaving it out.
fn is_default(key: &str, value: &Value) -> bool {
    match key {
        "matchPolicy" => value == "Equivalent",
        "scope" => value == "*",
        "namespaceSelector" | "objectSelector" => value.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

/// What is wrong with an admission policy and its binding; None: they are as they should be.
pub fn trouble(name: &str, wanted: &Value, policy: Option<&Value>, binding: Option<&Value>) -> Option<String> {
    let Some(policy) = policy else { return Some(format!("ValidatingAdmissionPolicy {name} is missing")) };
    if let Some(at) = differs(wanted, policy, "spec") {
        return Some(format!("ValidatingAdmissionPolicy {name} was altered at {at}"));
    }
    let Some(binding) = binding else { return Some(format!("ValidatingAdmissionPolicyBinding {name} is missing")) };
    let bound = serde_json::json!({"policyName": name, "validationActions": ["Deny"]});
    differs(&bound, binding, "spec").map(|at| format!("ValidatingAdmissionPolicyBinding {name} was altered at {at}"))
}

/// Where two values differ first, leaving out what the apiserver fills in.
fn differs(wanted: &Value, there: &Value, at: &str) -> Option<String> {
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(there)) => in_object(wanted, there, at),
        (Value::Array(wanted), Value::Array(there)) if wanted.len() == there.len() => {
            let mut pairs = wanted.iter().zip(there).enumerate();
            pairs.find_map(|(i, (w, t))| differs(w, t, &format!("{at}[{i}]")))
        }
        _ => (wanted != there).then(|| at.to_owned()),
    }
}

fn in_object(wanted: &Map<String, Value>, there: &Map<String, Value>, at: &str) -> Option<String> {
    let missing = wanted.iter().find_map(|(key, value)| {
        let path = format!("{at}.{key}");
        there.get(key).map_or(Some(path.clone()), |found| differs(value, found, &path))
    });
    missing.or_else(|| {
        let added = there.iter().find(|(key, value)| !wanted.contains_key(*key) && !is_default(key, value));
        added.map(|(key, _)| format!("{at}.{key}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted() -> Value {
        json!({
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{"apiGroups": ["reforge.dev"], "operations": ["UPDATE"]}]},
            "validations": [{"expression": "a"}, {"expression": "b"}],
        })
    }

    fn binding() -> Value {
        json!({"policyName": "p", "validationActions": ["Deny"]})
    }

    fn look(change: impl FnOnce(&mut Value, &mut Value)) -> Option<String> {
        let (mut policy, mut binding) = (wanted(), binding());
        policy["matchConstraints"]["matchPolicy"] = json!("Equivalent");
        policy["matchConstraints"]["objectSelector"] = json!({});
        policy["matchConstraints"]["resourceRules"][0]["scope"] = json!("*");
        change(&mut policy, &mut binding);
        trouble("p", &wanted(), Some(&policy), Some(&binding))
    }

    #[test]
    fn what_the_apiserver_fills_in_is_no_alteration() {
        assert_eq!(look(|_, _| {}), None);
    }

    #[test]
    fn every_way_to_weaken_a_policy_is_noticed() {
        type Weaken = fn(&mut Value, &mut Value);
        let weakened: [(Weaken, &str); 8] = [
            (|p, _| p["failurePolicy"] = json!("Ignore"), "spec.failurePolicy"),
            (|p, _| p["validations"] = json!([{"expression": "a"}]), "spec.validations"),
            (|p, _| p["validations"][1]["expression"] = json!("true"), "spec.validations[1].expression"),
            (|p, _| p["matchConditions"] = json!([{"expression": "false"}]), "spec.matchConditions"),
            (
                |p, _| p["matchConstraints"]["objectSelector"] = json!({"matchLabels": {"a": "b"}}),
                "spec.matchConstraints.objectSelector",
            ),
            (
                |p, _| p["matchConstraints"]["excludeResourceRules"] = json!([{}]),
                "spec.matchConstraints.excludeResourceRules",
            ),
            (|_, b| b["validationActions"] = json!(["Audit"]), "spec.validationActions[0]"),
            (|_, b| b["matchResources"] = json!({}), "spec.matchResources"),
        ];
        for (weaken, at) in weakened {
            let said = look(weaken).unwrap_or_default();
            assert!(said.ends_with(at), "{said} does not name {at}");
        }
    }

    #[test]
    fn a_policy_or_a_binding_that_is_gone_is_noticed() {
        assert!(trouble("p", &wanted(), None, Some(&binding())).unwrap().contains("missing"));
        assert!(trouble("p", &wanted(), Some(&wanted()), None).unwrap().contains("missing"));
    }
}
