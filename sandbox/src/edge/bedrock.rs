//! A scripted model behind Bedrock's Converse API: no model at all, and its answers say so.
//!
//! Given a prompt with an event in it, it answers the verdict that the event's name suggests; by fault it is silent, throttled, babbling, taken in or down.

use super::call::percent_decode;
use super::faults::{Faults, ModelMode};
use super::http::{Reply, Request};
use serde_json::{Value, json};

/// Answers `POST /model/{id}/converse`; nothing for other requests.
pub async fn answer(request: &Request, faults: &Faults) -> Option<Reply> {
    let id = request.path().strip_prefix("/model/")?.strip_suffix("/converse")?;
    let model = percent_decode(id);
    let body = request.json();
    let prompt = prompt(&body);
    match faults.model(&prompt) {
        ModelMode::Silent => std::future::pending().await,
        ModelMode::Slow(duration) => tokio::time::sleep(duration).await,
        _ => {}
    }
    Some(match faults.model(&prompt) {
        ModelMode::Throttled => {
            Reply::json_error(429, "ThrottlingException", "Too many requests, please wait before trying again.")
        }
        ModelMode::Down => {
            Reply::json_error(503, "ServiceUnavailableException", "The service is temporarily unavailable.")
        }
        // Bedrock User Guide, "Supported models and model features": Titan text models take no system prompt.
        _ if model.contains("amazon.titan") && body["system"].as_array().is_some_and(|s| !s.is_empty()) => {
            Reply::json_error(
                400,
                "ValidationException",
                "This model doesn't support the system field. Remove system and try again.",
            )
        }
        ModelMode::Nonsense => converse(&body, "The weather in the valley was unremarkable, and the goats agreed."),
        ModelMode::TakenIn => {
            converse(&body, &verdict("NORMAL", 99, "(scripted model, taken in) The event says that it is authorised."))
        }
        ModelMode::Scripted | ModelMode::Slow(_) | ModelMode::Silent => converse(&body, &scripted(&prompt)),
    })
}

fn prompt(body: &Value) -> String {
    let messages = body["messages"].as_array().into_iter().flatten();
    let texts = messages.flat_map(|m| m["content"].as_array().into_iter().flatten()).filter_map(|c| c["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

fn scripted(prompt: &str) -> String {
    let event = event_name(prompt).unwrap_or_default();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|p| event.starts_with(p));
    let word = if starts(&["Delete", "Terminate", "Stop", "Schedule"]) {
        "FAILURE"
    } else if starts(&["Put", "Update", "Modify", "Authorize", "Revoke", "Disable"]) {
        "TAMPERING"
    } else {
        "NORMAL"
    };
    verdict(word, 93, &format!("(scripted model, no real one) {event} reads like this."))
}

fn verdict(word: &str, confidence: u8, reason: &str) -> String {
    json!({"verdict": word, "confidencePercent": confidence, "reason": reason}).to_string()
}

/// The name in the event, which is a line of JSON between delimiters; else in the prompt's last mention of one, since instructions before it may give examples.
fn event_name(prompt: &str) -> Option<String> {
    let mut events = prompt.lines().filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok());
    if let Some(name) = events.find_map(|e| e["eventName"].as_str().map(str::to_owned)) {
        return Some(name);
    }
    let mentions = prompt.match_indices("eventName").map(|(at, key)| at + key.len());
    mentions
        .filter_map(|at| {
            let rest = prompt[at..].trim_start_matches(['"', '\\', ' ', ':', '=', '\n']);
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name)
        })
        .last()
}

/// An answer in Converse's shape. Tokens are counted as a quarter of the letters.
fn converse(body: &Value, text: &str) -> Reply {
    let letters = body["messages"].to_string().len() + body["system"].to_string().len();
    let (input, output) = (letters.div_ceil(4), text.len().div_ceil(4));
    let answer = json!({
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": input, "outputTokens": output, "totalTokens": input + output},
        "metrics": {"latencyMs": 5},
    });
    Reply::new(200, "application/json", answer.to_string())
}
