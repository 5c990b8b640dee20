//! CEL in policies: checked when the policy is read, answered when a plan is judged.
//!
//! An expression is somebody else's program in our process, so it is kept small where it is written (1 KiB), and simple
//! here: a fixed list of functions, and no loop within a loop. What it can cost is then bounded by its length times that
//! of the longest list or text it is asked about, which are bounded too; no deadline is needed, and the same question
//! always has the same answer.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::common::ast::{EntryExpr, Expr};
use cel::{Context, IdedExpr, Program, Value};

/// What an expression may call beside CEL's operators and macros.
const FUNCTIONS: [&str; 6] = ["size", "contains", "startsWith", "endsWith", "matches", "string"];
/// What an expression may ask about.
pub const VARIABLES: [&str; 5] = ["event", "resource", "change", "classification", "plan"];

/// What an expression is asked about: a JSON value for each of [`VARIABLES`].
pub type Facts = BTreeMap<&'static str, serde_json::Value>;

/// Why an expression cannot be used, if it cannot.
pub fn invalid(text: &str) -> Option<String> {
    compile(text).err()
}

/// Whether an expression holds. The error says why nobody can tell; whoever asks then takes the careful side.
pub fn holds(text: &str, facts: &Facts) -> Result<bool, String> {
    let program = compile(text)?;
    // The library is young: a panic in it must not be one of ours.
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let mut context = Context::default();
        for (name, value) in facts {
            let value = cel::to_value(value).map_err(|e| e.to_string())?;
            context.add_variable_from_value(*name, value);
        }
        program.execute(&context).map_err(|e| e.to_string())
    }));
    match answer {
        Ok(Ok(Value::Bool(holds))) => Ok(holds),
        Ok(Ok(_)) => Err("it is neither true nor false".to_owned()),
        Ok(Err(why)) => Err(why),
        Err(_) => Err("it could not be evaluated".to_owned()),
    }
}

fn compile(text: &str) -> Result<Program, String> {
    let compiled = catch_unwind(|| Program::compile(text)).map_err(|_| "it cannot be read".to_owned())?;
    let program = compiled.map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())?;
    check(program.expression(), false, &mut Vec::new())?;
    Ok(program)
}

/// Walks an expression; `looped` inside of a loop, `bound` the variables of loops around.
fn check<'a>(expression: &'a IdedExpr, looped: bool, bound: &mut Vec<&'a str>) -> Result<(), String> {
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(name) if VARIABLES.contains(&name.as_str()) || bound.contains(&name.as_str()) => Ok(()),
        Expr::Ident(name) => Err(format!("there is no {name}; there are {}", VARIABLES.join(", "))),
        Expr::Struct(_) => Err("it makes an object, which is not of use here".to_owned()),
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            let is_operator = name.starts_with(|c: char| !c.is_ascii_alphabetic());
            if !is_operator && !FUNCTIONS.contains(&name) {
                return Err(format!("it calls {name}; what can be called is {}", FUNCTIONS.join(", ")));
            }
            call.target.iter().map(AsRef::as_ref).chain(&call.args).try_for_each(|e| check(e, looped, bound))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|e| check(e, looped, bound)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(e) => check(&e.key, looped, bound).and_then(|()| check(&e.value, looped, bound)),
            EntryExpr::StructField(e) => check(&e.value, looped, bound),
        }),
        Expr::Select(select) => check(&select.operand, looped, bound),
        Expr::Comprehension(_) if looped => Err("it has a loop (all, exists, map, filter) within a loop".to_owned()),
        Expr::Comprehension(c) => {
            // What is looped over stands outside of the loop, but a loop there multiplies all the same.
            check(&c.iter_range, true, bound)?;
            let before = bound.len();
            bound.extend([c.iter_var.as_str(), c.accu_var.as_str()]);
            bound.extend(c.iter_var2.as_deref());
            let inner = [&c.accu_init, &c.loop_cond, &c.loop_step, &c.result];
            let checked = inner.into_iter().try_for_each(|e| check(e, true, bound));
            bound.truncate(before);
            checked
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts() -> Facts {
        BTreeMap::from([
            ("event", json!({"name": "DeleteTable", "actor": {"type": "IAMUser"}})),
            ("resource", json!({"type": "dynamodb", "id": "orders-eu"})),
            ("change", json!("Deleted")),
            ("classification", json!({"verdict": "Failure", "confidencePercent": 90})),
            ("plan", json!({"changes": [{"address": "a.b", "actions": ["create"]}]})),
        ])
    }

    #[test]
    fn what_policies_ask_is_answered() {
        for (text, answer) in [
            ("change == 'Deleted'", true),
            ("resource.id.startsWith('orders-') && classification.confidencePercent < 95", true),
            ("plan.changes.exists(c, c.actions.exists_one(a, a == 'delete'))", false),
            ("plan.changes.all(c, 'create' in c.actions)", true),
            ("size(plan.changes) > 5 || has(event.errorCode)", false),
            ("event.actor.type.matches('^IAM')", true),
        ] {
            let holds = holds(text, &facts());
            if text.contains("exists_one") {
                assert!(holds.unwrap_err().contains("loop"), "{text}");
            } else {
                assert_eq!(holds, Ok(answer), "{text}");
            }
        }
    }

    #[test]
    fn what_cannot_be_answered_is_an_error_and_never_a_no() {
        for text in ["event.nothing == 'x'", "change", "change > 5", "1 / 0 == 1", "plan.changes[7].address == ''"] {
            assert!(holds(text, &facts()).is_err(), "{text}");
            assert_eq!(invalid(text), None, "{text} is well-formed");
        }
    }

    #[test]
    fn what_is_not_well_formed_or_too_clever_is_refused_when_the_policy_is_read() {
        let nested = "plan.changes.map(a, plan.changes.map(b, plan.changes))";
        for text in ["", "1 +", "(", ")", "\"", ".", "/", "resource.id ==", "chnage == 'Deleted'", "f(1) == 1", nested]
        {
            assert!(invalid(text).is_some(), "{text}");
        }
        assert!(invalid("chnage == 'Deleted'").unwrap().contains("there are event, resource"), "it says what there is");
    }
}
