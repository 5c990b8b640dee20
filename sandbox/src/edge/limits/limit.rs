//! What a limit is: a figure, where it comes from, the calls that it holds for, how it is measured, and what AWS answers past it.
//!
//! Data only. The same list is enforced by the edge and shown by docs/limits.md, one row for each limit ([`Limit::row`]).

use super::asked::Asked;
use std::fmt::Write as _;

/// What a request may have.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// At most so many of this unit.
    Most(u64, &'static str),
    /// From the first to the second of this unit, both included.
    Between(u64, u64, &'static str),
    /// A form, in words: nothing of it may be broken.
    Form(&'static str),
}

/// How sure a figure is.
#[derive(Debug, Clone, Copy)]
pub enum Sure {
    /// AWS says it.
    Documented,
    /// Users were refused at it, or were not; AWS says nothing, or less.
    Reported,
}

/// How the edge finds out.
#[derive(Debug, Clone, Copy)]
pub enum Measure {
    /// The figures in the request.
    Asked(fn(&Asked<'_>) -> Vec<u64>),
    /// Whether the request breaks the form.
    Breaks(fn(&Asked<'_>) -> bool),
    /// What the emulator has, with what the request adds.
    Kept(Kept),
    /// Another part of the edge enforces it: its file.
    At(&'static str),
    /// The API's own model says it, and requests are validated against that.
    Model,
}

/// What is counted in the emulator's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Characters of a role's inline policies, without white space.
    InlinePolicies,
    /// Managed policies attached to a role.
    AttachedPolicies,
    /// Versions of a managed policy.
    PolicyVersions,
    /// Rules on an event bus.
    Rules,
    /// Targets of a rule.
    Targets,
}

/// The error code that AWS answers.
#[derive(Debug, Clone, Copy)]
pub enum Code {
    /// One code.
    One(&'static str),
    /// Each service has its own.
    ByService(&'static [(&'static str, &'static str)]),
}

/// What AWS answers past the limit.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The error code.
    pub code: Code,
    /// The message; `{most}` is the figure, `{measured}` what was asked for, `{X}` the request's member X.
    pub message: &'static str,
    /// Whether these words were seen from AWS; else they are in the service's manner.
    pub seen: bool,
}

impl Answer {
    /// Words that were seen.
    pub const fn seen(code: &'static str, message: &'static str) -> Self {
        Self { code: Code::One(code), message, seen: true }
    }

    /// Words in the service's manner.
    pub const fn assumed(code: &'static str, message: &'static str) -> Self {
        Self { code: Code::One(code), message, seen: false }
    }
}

/// One limit.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Service and thing.
    pub name: &'static str,
    /// The figure.
    pub bound: Bound,
    /// An AWS page by its title, or an issue by its number.
    pub source: &'static str,
    /// How sure the figure is.
    pub sure: Sure,
    /// Services as they are signed for, and their operations.
    pub calls: &'static [(&'static str, &'static [&'static str])],
    /// How it is measured.
    pub measure: Measure,
    /// Who else keeps to it: the operator or the module, and where.
    pub also: &'static str,
    /// What AWS answers.
    pub answer: Answer,
    /// What Reforge does near it.
    pub near: &'static str,
}

impl Limit {
    /// Whether the limit holds for this call.
    pub fn holds_for(&self, service: &str, operation: &str) -> bool {
        self.calls.iter().any(|(s, operations)| *s == service && operations.contains(&operation))
    }

    /// The figure of what was measured that is out of bounds.
    pub fn exceeded(&self, measured: &[u64]) -> Option<u64> {
        measured.iter().copied().find(|n| match self.bound {
            Bound::Most(most, _) => *n > most,
            Bound::Between(least, most, _) => !(least..=most).contains(n),
            Bound::Form(_) => false,
        })
    }

    /// The error code for a service.
    pub fn code(&self, service: &str) -> &'static str {
        match self.answer.code {
            Code::One(code) => code,
            Code::ByService(codes) => {
                codes.iter().find(|(s, _)| *s == service).map_or("ValidationException", |(_, code)| code)
            }
        }
    }

    /// AWS's message for what was measured.
    pub fn message(&self, asked: &Asked<'_>, measured: u64) -> String {
        let mut message = String::new();
        let mut rest = self.answer.message;
        while let Some((before, tail)) = rest.split_once('{') {
            let (name, after) = tail.split_once('}').unwrap_or((tail, ""));
            message.push_str(before);
            match name {
                "most" => message.push_str(&self.figure().to_string()),
                "measured" => message.push_str(&measured.to_string()),
                member => message.push_str(asked.text(member).unwrap_or_default()),
            }
            rest = after;
        }
        message + rest
    }

    fn figure(&self) -> u64 {
        match self.bound {
            Bound::Most(most, _) | Bound::Between(_, most, _) => most,
            Bound::Form(_) => 0,
        }
    }

    /// The row of docs/limits.md: limit, figure, source, where it is enforced, AWS's answer, what Reforge does near it.
    pub fn row(&self) -> String {
        let figure = match self.bound {
            Bound::Most(most, unit) => format!("{} {unit}", grouped(most)),
            Bound::Between(least, most, unit) => format!("{} to {} {unit}", grouped(least), grouped(most)),
            Bound::Form(form) => form.to_owned(),
        };
        let sure = match self.sure {
            Sure::Documented => "documented",
            Sure::Reported => "reported",
        };
        let mut place = match self.measure {
            Measure::Asked(_) | Measure::Breaks(_) => "edge".to_owned(),
            Measure::Kept(_) => "edge, by what is there".to_owned(),
            Measure::At(file) => format!("edge, `{file}`"),
            Measure::Model => "edge, API model".to_owned(),
        };
        if !self.also.is_empty() {
            let _ = write!(place, "; {}", self.also);
        }
        let mut answer = match self.answer.code {
            Code::One("") => "no error".to_owned(),
            Code::One(code) => format!("`{code}`"),
            Code::ByService(_) => "each service's own".to_owned(),
        };
        if !self.answer.seen {
            let _ = write!(answer, " (assumed)");
        }
        format!("| {} | {figure} | {} ({sure}) | {place} | {answer} | {} |", self.name, self.source, self.near)
    }
}

/// Thousands apart, as AWS writes figures.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
