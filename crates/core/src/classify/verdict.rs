//! What of a model's answer counts. It can make Reforge more careful, never less.

use reforge_api::{Change, Classification, Criticality, Judge, Verdict};
use serde::Deserialize;

use crate::words::text::shorten;

/// Below this a model's NORMAL dismisses nothing, in percent.
const SURE: u8 = 80;

/// A model's answer, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One of the three words.
    pub verdict: Verdict,
    /// 0 to 100.
    pub confidence_percent: u8,
    /// Its reason, bounded and without control characters.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    verdict: String,
    confidence_percent: u8,
    reason: String,
}

/// Validates an answer; the error says what is wrong, for the repair.
pub fn parse(text: &str) -> Result<Answer, String> {
    let text = text.trim();
    let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    let text = inner.and_then(|t| t.trim_end().strip_suffix("```")).unwrap_or(text).trim();
    let raw: Raw = serde_json::from_str(text).map_err(|e| shorten(&e.to_string(), 200))?;
    let verdict = match raw.verdict.to_ascii_uppercase().as_str() {
        "FAILURE" => Verdict::Failure,
        "TAMPERING" => Verdict::Tampering,
        "NORMAL" => Verdict::Normal,
        _ => return Err("verdict is none of FAILURE, TAMPERING, NORMAL".to_owned()),
    };
    if raw.confidence_percent > 100 {
        return Err("confidencePercent is over 100".to_owned());
    }
    Ok(Answer { verdict, confidence_percent: raw.confidence_percent, reason: shorten(&raw.reason, 500) })
}

/// The verdict of rules and model together. A model's NORMAL dismisses a modification of a resource that is not
/// critical, when it is sure; nothing else.
pub fn combine(
    rules: Classification,
    answer: Answer,
    criticality: Criticality,
    change: Change,
    model: &str,
) -> Classification {
    let model = Some(model.to_owned());
    if rules.verdict == Verdict::Normal && answer.verdict == Verdict::Normal {
        return Classification { model, ..rules };
    }
    let may_dismiss =
        criticality == Criticality::Standard && change == Change::Modified && answer.confidence_percent >= SURE;
    if answer.verdict == Verdict::Normal && !may_dismiss {
        let reason = format!("{}. The model said Normal, which does not dismiss it: {}", rules.reason, answer.reason);
        return Classification { model, reason, ..rules };
    }
    Classification {
        verdict: answer.verdict,
        confidence_percent: answer.confidence_percent,
        by: Judge::Bedrock,
        model,
        reason: answer.reason,
        ..rules
    }
}

/// The rules' verdict where the model could not be used.
pub fn without_model(rules: &Classification, model: &str, why: &str) -> Classification {
    let reason = shorten(&format!("{}. The model could not be used: {why}", rules.reason), 1000);
    Classification { model: Some(model.to_owned()), reason, ..rules.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(verdict: Verdict) -> Classification {
        Classification {
            verdict,
            confidence_percent: 90,
            by: Judge::Rules,
            model: None,
            record: None,
            reason: "r".into(),
            input_tokens: 0,
            output_tokens: 0,
        }
    }

    fn normal(confidence_percent: u8) -> Answer {
        Answer { verdict: Verdict::Normal, confidence_percent, reason: "fine".into() }
    }

    #[test]
    fn normal_from_the_model_never_dismisses_a_deletion_or_a_critical_resource() {
        for (criticality, change) in [
            (Criticality::Critical, Change::Deleted),
            (Criticality::Critical, Change::Modified),
            (Criticality::Standard, Change::Deleted),
            (Criticality::Standard, Change::Stopped),
        ] {
            let both = combine(rules(Verdict::Failure), normal(100), criticality, change, "m");
            assert_eq!((both.verdict, both.by), (Verdict::Failure, Judge::Rules));
            assert!(both.reason.contains("The model said Normal"));
        }
    }

    #[test]
    fn a_sure_normal_dismisses_a_harmless_modification() {
        let say =
            |percent| combine(rules(Verdict::Tampering), normal(percent), Criticality::Standard, Change::Modified, "m");
        assert_eq!(say(80).verdict, Verdict::Normal);
        assert_eq!(say(79).verdict, Verdict::Tampering);
    }

    #[test]
    fn a_model_can_make_it_more_careful() {
        let answer = Answer { verdict: Verdict::Tampering, confidence_percent: 60, reason: "odd".into() };
        let both = combine(rules(Verdict::Normal), answer, Criticality::Standard, Change::Modified, "m");
        assert_eq!((both.verdict, both.by), (Verdict::Tampering, Judge::Bedrock));
    }

    #[test]
    fn nonsense_is_refused_and_fences_are_not() {
        for text in [
            "NORMAL",
            "{}",
            "{\"verdict\":\"OK\",\"confidencePercent\":5,\"reason\":\"\"}",
            "{\"verdict\":\"NORMAL\",\"confidencePercent\":101,\"reason\":\"\"}",
            "{\"verdict\":\"NORMAL\",\"confidencePercent\":1,\"reason\":\"\",\"also\":1}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let fenced =
            parse("```json\n{\"verdict\":\"failure\",\"confidencePercent\":90,\"reason\":\"a\\u001b[1m\"}\n```")
                .unwrap();
        assert_eq!(fenced.verdict, Verdict::Failure);
        assert!(!fenced.reason.contains('\u{1b}'));
    }
}
