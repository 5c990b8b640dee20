//! CEL in policies: checked when the policy is read, answered when a plan is judged.
//!
//! An expression is somebody else's program in our process, so it is kept small (1 KiB), and simple: a fixed list of functions,
//! shallow ([`super::nesting`]), no loop within a loop, and patterns that are literals, made once and of a bounded size. What it
//! is asked about is bounded too. Its cost is then bounded by the product of the two; no deadline is needed, and the same
//! question always has the same answer.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};
use cel::extractors::This;
use cel::{Context, ExecutionError, IdedExpr, Program, Value};
use regex::{Regex, RegexBuilder};

use super::nesting;

/// What an expression may call beside CEL's operators and macros.
const FUNCTIONS: [&str; 6] = ["size", "contains", "startsWith", "endsWith", MATCHES, "string"];
/// The one that takes a pattern.
const MATCHES: &str = "matches";
/// What an expression may ask about.
pub const VARIABLES: [&str; 5] = ["event", "resource", "change", "classification", "plan"];
/// The most bytes of an expression: what the schema lets through.
const MAX_BYTES: usize = 1024;
/// The most patterns in an expression, and the most bytes that each may take once it is compiled, and while it matches.
const MAX_PATTERNS: usize = 8;
const MAX_PATTERN_BYTES: usize = 1 << 16;
const MAX_MATCHING_BYTES: usize = 1 << 20;
/// The most bytes of a text that a pattern is matched with.
const MAX_TEXT: usize = 4096;
/// The most bytes, as JSON, of all that an expression is asked about.
const MAX_FACTS: usize = 1 << 18;

/// What an expression is asked about: a JSON value for each of [`VARIABLES`].
pub type Facts = BTreeMap<&'static str, serde_json::Value>;

/// The patterns of an expression.
type Patterns = BTreeMap<String, Regex>;

/// Why an expression cannot be used, if it cannot.
pub fn invalid(text: &str) -> Option<String> {
    compile(text).err()
}

/// Whether an expression holds. The error says why nobody can tell; whoever asks then takes the careful side.
pub fn holds(text: &str, facts: &Facts) -> Result<bool, String> {
    let (program, patterns) = compile(text)?;
    let bytes = serde_json::to_vec(facts).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_FACTS {
        return Err(format!("what it asks about has {bytes} bytes, which is more than {MAX_FACTS}"));
    }
    // The library is young: a panic in it must not be one of ours.
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let mut context = Context::default();
        let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| is_match(&patterns, &text, &pattern);
        context.add_function(MATCHES, matches).map_err(|e| e.to_string())?;
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

fn is_match(patterns: &Patterns, text: &str, pattern: &str) -> Result<bool, ExecutionError> {
    if text.len() > MAX_TEXT {
        let why = format!("a text of {} bytes is longer than {MAX_TEXT}", text.len());
        return Err(ExecutionError::function_error(MATCHES, why));
    }
    let known =
        patterns.get(pattern).ok_or_else(|| ExecutionError::function_error(MATCHES, "its pattern is not known"));
    known.map(|regex| regex.is_match(text))
}

fn compile(text: &str) -> Result<(Program, Patterns), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    if let Some(why) = nesting::refusal(text) {
        return Err(why);
    }
    let compiled = catch_unwind(|| Program::compile(text)).map_err(|_| "it cannot be read".to_owned())?;
    let program = compiled.map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())?;
    let mut patterns = Patterns::new();
    check(program.expression(), false, &mut Vec::new(), &mut patterns)?;
    Ok((program, patterns))
}

/// Makes the pattern of a call of `matches`.
fn add_pattern(call: &CallExpr, patterns: &mut Patterns) -> Result<(), String> {
    let Some(Expr::Literal(LiteralValue::String(pattern))) = call.args.last().map(|e| &e.expr) else {
        return Err(format!("the pattern of {MATCHES} is not a text in quotes"));
    };
    let pattern = pattern.inner();
    let mut made = RegexBuilder::new(pattern);
    let made = made.size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_MATCHING_BYTES).build().map_err(|e| {
        let why = e.to_string();
        format!("its pattern {pattern:?} cannot be used: {}", why.lines().last().unwrap_or_default())
    })?;
    patterns.insert(pattern.to_owned(), made);
    if patterns.len() > MAX_PATTERNS {
        return Err(format!("it has more than {MAX_PATTERNS} patterns"));
    }
    Ok(())
}

/// Walks an expression; `looped` inside of a loop, `bound` the variables of loops around, `patterns` those that it has.
fn check<'a>(
    expression: &'a IdedExpr,
    looped: bool,
    bound: &mut Vec<&'a str>,
    patterns: &mut Patterns,
) -> Result<(), String> {
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
            if name == MATCHES {
                add_pattern(call, patterns)?;
            }
            call.target.iter().map(AsRef::as_ref).chain(&call.args).try_for_each(|e| check(e, looped, bound, patterns))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|e| check(e, looped, bound, patterns)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(e) => {
                check(&e.key, looped, bound, patterns).and_then(|()| check(&e.value, looped, bound, patterns))
            }
            EntryExpr::StructField(e) => check(&e.value, looped, bound, patterns),
        }),
        Expr::Select(select) => check(&select.operand, looped, bound, patterns),
        Expr::Comprehension(_) if looped => Err("it has a loop (all, exists, map, filter) within a loop".to_owned()),
        Expr::Comprehension(c) => {
            // What is looped over stands outside of the loop, but a loop there multiplies all the same.
            check(&c.iter_range, true, bound, patterns)?;
            let before = bound.len();
            bound.extend([c.iter_var.as_str(), c.accu_var.as_str()]);
            bound.extend(c.iter_var2.as_deref());
            let inner = [&c.accu_init, &c.loop_cond, &c.loop_step, &c.result];
            let checked = inner.into_iter().try_for_each(|e| check(e, true, bound, patterns));
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

    #[test]
    fn a_pattern_is_a_literal_of_a_bounded_size_and_named_where_it_cannot_be_used() {
        for (text, why) in [
            ("event.name.matches(resource.id)", "not a text in quotes"),
            ("event.name.matches('a' + 'b')", "not a text in quotes"),
            ("event.name.matches('(')", "\"(\" cannot be used"),
            ("event.name.matches('(a{99}){99}{99}')", "\"(a{99}){99}{99}\" cannot be used"),
            ("matches(event.name, '(')", "\"(\" cannot be used"),
            ("plan.changes.all(c, c.address.matches('['))", "\"[\" cannot be used"),
        ] {
            let said = invalid(text).unwrap_or_default();
            assert!(said.contains(why), "{text}: {said}");
        }
        let many: Vec<String> = (0..9).map(|i| format!("change.matches('{i}')")).collect();
        assert!(invalid(&many.join(" || ")).is_some_and(|why| why.contains("patterns")));
        for (text, answer) in [
            ("matches(event.name, '(?i)^deletetable$')", true),
            ("plan.changes.exists(c, c.address.matches('^a[.]'))", true),
            ("resource.id.matches('^orders$')", false),
        ] {
            assert_eq!(holds(text, &facts()), Ok(answer), "{text}");
        }
    }

    #[test]
    fn what_is_too_large_to_be_asked_about_is_an_error_and_never_a_no() {
        let mut facts = facts();
        facts.insert("change", json!("a".repeat(MAX_TEXT + 1)));
        assert!(holds("change.matches('b')", &facts).unwrap_err().contains("longer than"));
        facts.insert("change", json!("a".repeat(MAX_FACTS)));
        assert!(holds("size(change) == 1", &facts).unwrap_err().contains("bytes"));
        assert!(invalid(&format!("change == '{}'", "a".repeat(MAX_BYTES))).is_some_and(|why| why.contains("longer")));
    }

    #[test]
    fn what_is_just_small_enough_is_answered() {
        let long = format!("change == '{}'", "a".repeat(MAX_BYTES - "change == ''".len()));
        assert_eq!((long.len(), holds(&long, &facts())), (MAX_BYTES, Ok(false)));
        let patterns: Vec<String> = (0..MAX_PATTERNS).map(|i| format!("change.matches('{i}')")).collect();
        assert_eq!(holds(&patterns.join(" || "), &facts()), Ok(false));
        let mut facts = facts();
        facts.insert("change", json!("a".repeat(MAX_TEXT)));
        assert_eq!(holds("change.matches('b')", &facts), Ok(false));
        facts.insert("change", json!(""));
        let room = MAX_FACTS - serde_json::to_vec(&facts).unwrap().len();
        facts.insert("change", json!("a".repeat(room)));
        assert_eq!(holds("size(change) == 1", &facts), Ok(false));
    }

    #[test]
    fn however_deep_an_expression_is_it_is_read_or_refused() {
        for (open, close) in [("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("change ? ", " : change"), ("size(", ")")]
        {
            for depth in [5, 8, 9, 100, 500] {
                let text = format!("{}change{}", open.repeat(depth), close.repeat(depth));
                let _ = invalid(&text.chars().take(MAX_BYTES).collect::<String>());
            }
        }
        for chain in ["1 + ", "1 == ", "change[0", "change.size()."] {
            for length in [20, 30, 200] {
                let text = format!("{}1", chain.repeat(length));
                let _ = holds(&text.chars().take(MAX_BYTES).collect::<String>(), &facts());
            }
        }
        let left = (0..8).fold("1".to_owned(), |inner, _| format!("({inner}{})", " + 1".repeat(20)));
        assert!(invalid(&left).is_some_and(|why| why.contains("deep")), "{left}");
        assert_eq!(holds(&format!("{}true", "true && ".repeat(100)), &facts()), Ok(true));
        let selects = format!("event{}", ".a".repeat(500));
        assert_eq!(holds(&selects, &facts()).ok(), None);
    }
}
