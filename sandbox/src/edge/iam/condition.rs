//! Conditions of a statement (IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for
//! multivalued context keys"). Pure.

use super::context::Context;
use super::pattern::Pattern;
use jiff::Timestamp;
use serde_json::Value;
use std::net::IpAddr;

/// How many of a request's values must satisfy a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// No set operator.
    Plain,
    /// `ForAllValues:`.
    All,
    /// `ForAnyValue:`.
    Any,
}

/// What is compared, negations aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    EqualIgnoreCase,
    Like,
    Arn,
    Number(Order),
    Date(Order),
    Bool,
    Ip,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One key under one operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    set: Set,
    test: Test,
    negated: bool,
    if_exists: bool,
    key: String,
    wanted: Vec<String>,
}

impl Condition {
    /// The conditions of a `Condition` element.
    ///
    /// # Errors
    /// Names an operator that IAM does not have, or a value that is none.
    pub fn parse(element: &Value) -> Result<Vec<Self>, String> {
        let mut conditions = Vec::new();
        for (operator, keys) in element.as_object().into_iter().flatten() {
            let keys = keys.as_object().ok_or_else(|| format!("{operator} holds no condition keys"))?;
            for (key, wanted) in keys {
                conditions.push(Self::of(operator, key, wanted)?);
            }
        }
        Ok(conditions)
    }

    fn of(operator: &str, key: &str, wanted: &Value) -> Result<Self, String> {
        let (set, name) = match operator.split_once(':') {
            Some(("ForAllValues", name)) => (Set::All, name),
            Some(("ForAnyValue", name)) => (Set::Any, name),
            Some(_) => return Err(format!("{operator} is no condition operator")),
            None => (Set::Plain, operator),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let (test, negated) = test(name).ok_or_else(|| format!("{operator} is no condition operator"))?;
        let wanted = wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice);
        let wanted = wanted.iter().map(|v| text(v).ok_or_else(|| format!("{key} is compared with {v}")));
        Ok(Self { set, test, negated, if_exists, key: key.to_owned(), wanted: wanted.collect::<Result<_, _>>()? })
    }

    /// Whether the request satisfies it.
    pub fn holds(&self, context: &Context) -> bool {
        let values = context.get(&self.key);
        if self.test == Test::Null {
            return self.wanted.iter().any(|w| w.eq_ignore_ascii_case("true") == values.is_none());
        }
        // A set without values is as good as none: "or if the key value resolves to a null dataset".
        match (values.filter(|v| !v.is_empty()), self.set) {
            (None, Set::All) => true,
            (None, Set::Any) => self.if_exists,
            (None, Set::Plain) => self.if_exists || self.negated,
            (Some(values), Set::All) => values.iter().all(|value| self.satisfies(value, context)),
            (Some(values), Set::Any) => values.iter().any(|value| self.satisfies(value, context)),
            // A negated operator asks that none of the values is among those wanted.
            (Some(values), Set::Plain) if self.negated => values.iter().all(|value| self.satisfies(value, context)),
            (Some(values), Set::Plain) => values.iter().any(|value| self.satisfies(value, context)),
        }
    }

    fn satisfies(&self, value: &str, context: &Context) -> bool {
        self.wanted.iter().any(|wanted| compare(self.test, value, wanted, context)) != self.negated
    }
}

fn test(name: &str) -> Option<(Test, bool)> {
    Some(match name {
        "StringEquals" | "BinaryEquals" => (Test::Equal, false),
        "StringNotEquals" => (Test::Equal, true),
        "StringEqualsIgnoreCase" => (Test::EqualIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Test::EqualIgnoreCase, true),
        "StringLike" => (Test::Like, false),
        "StringNotLike" => (Test::Like, true),
        // "ArnEquals and ArnLike behave identically."
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "Bool" => (Test::Bool, false),
        "IpAddress" => (Test::Ip, false),
        "NotIpAddress" => (Test::Ip, true),
        "Null" => (Test::Null, false),
        _ => {
            let (test, name): (fn(Order) -> Test, _) = match name.strip_prefix("Numeric") {
                Some(name) => (Test::Number, name),
                None => (Test::Date, name.strip_prefix("Date")?),
            };
            match name {
                "Equals" => (test(Order::Equal), false),
                "NotEquals" => (test(Order::Equal), true),
                "LessThan" => (test(Order::Less), false),
                "LessThanEquals" => (test(Order::LessOrEqual), false),
                "GreaterThan" => (test(Order::Greater), false),
                "GreaterThanEquals" => (test(Order::GreaterOrEqual), false),
                _ => return None,
            }
        }
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn compare(test: Test, value: &str, wanted: &str, context: &Context) -> bool {
    let Some(wanted) = Pattern::resolve(wanted, context) else { return false };
    let text = || wanted.text();
    match test {
        Test::Equal => wanted.is(value),
        Test::EqualIgnoreCase | Test::Bool => text().eq_ignore_ascii_case(value),
        Test::Like => wanted.matches(value),
        Test::Arn => wanted.matches_arn(value),
        Test::Number(order) => both(value, &text(), |t| t.parse::<f64>().ok()).is_some_and(|(a, b)| is(order, &a, &b)),
        Test::Date(order) => both(value, &text(), date).is_some_and(|(a, b)| is(order, &a, &b)),
        Test::Ip => in_range(value, &text()),
        Test::Null => false,
    }
}

fn both<T>(one: &str, other: &str, read: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    Some((read(one)?, read(other)?))
}

fn is<T: PartialOrd>(order: Order, one: &T, other: &T) -> bool {
    match order {
        Order::Equal => one == other,
        Order::Less => one < other,
        Order::LessOrEqual => one <= other,
        Order::Greater => one > other,
        Order::GreaterOrEqual => one >= other,
    }
}

/// ISO 8601 or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Timestamp::from_second(text.parse().ok()?).ok())
}

fn in_range(address: &str, range: &str) -> bool {
    let (network, length) = match range.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (range, Some(128)),
    };
    let (Ok(address), Ok(network), Some(length)) = (address.parse(), network.parse(), length) else { return false };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            shifted(a.to_bits().into(), 32, length) == shifted(n.to_bits().into(), 32, length)
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => shifted(a.to_bits(), 128, length) == shifted(n.to_bits(), 128, length),
        _ => false,
    }
}

/// The first `length` bits of an address of `width` bits.
fn shifted(bits: u128, width: u32, length: u32) -> u128 {
    bits.checked_shr(width - length.min(width)).unwrap_or(0)
}
