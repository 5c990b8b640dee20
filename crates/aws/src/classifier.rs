//! Asks a model by Bedrock's Converse API: a deadline over all, retries on throttling, one repair. Whatever happens, a
//! classification comes back; without the model it is the rules'.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::error::ProvideErrorMetadata;
use aws_sdk_bedrockruntime::operation::converse::ConverseOutput;
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConversationRole, InferenceConfiguration, Message, SystemContentBlock,
};
use reforge_api::{Classification, ClassificationPolicy, ClassifierMode, IncidentSpec};
use reforge_core::classify::prompt::{self, Prompt};
use reforge_core::classify::rules;
use reforge_core::classify::verdict::{self, Answer};
use serde::Deserialize;

use crate::ask::fault;

/// Pauses between tries when throttled; jitter of up to half is added.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
const MAX_TOKENS: i32 = 300;

/// Who judges.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClassifierSettings {
    /// Rules, or Bedrock on top of them.
    pub mode: ClassifierMode,
    /// A model that Bedrock's Converse API serves.
    pub model_id: String,
    /// How long the model may take in all, in seconds.
    pub timeout_seconds: u64,
}

impl Default for ClassifierSettings {
    fn default() -> Self {
        Self { mode: ClassifierMode::Rules, model_id: "amazon.nova-lite-v1:0".to_owned(), timeout_seconds: 20 }
    }
}

/// Rules and model.
#[derive(Clone, Debug)]
pub struct Classifier {
    client: Client,
    settings: ClassifierSettings,
}

#[derive(Default)]
struct Tokens {
    input: u32,
    output: u32,
}

impl Classifier {
    /// A classifier that asks Bedrock by `config` where the settings or the policy say so.
    pub fn new(config: &SdkConfig, settings: ClassifierSettings) -> Self {
        Self { client: Client::new(config), settings }
    }

    /// Reaches a verdict; never fails.
    pub async fn classify(
        &self,
        incident: &IncidentSpec,
        policy: &ClassificationPolicy,
        recovery_roles: &[String],
    ) -> Classification {
        let rules = rules::verdict(incident, policy, recovery_roles);
        if policy.mode.unwrap_or(self.settings.mode) == ClassifierMode::Rules {
            return rules;
        }
        let model = &self.settings.model_id;
        let mut tokens = Tokens::default();
        let deadline = Duration::from_secs(self.settings.timeout_seconds);
        let asked = tokio::time::timeout(deadline, self.ask(incident, &mut tokens)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", deadline.as_secs())));
        let together = match answer {
            Ok(answer) => verdict::combine(rules, answer, policy.criticality, incident.change, model),
            Err(why) => {
                tracing::warn!(event_id = incident.event.id, model, why, "the rules' verdict stands");
                verdict::without_model(&rules, model, &why)
            }
        };
        Classification { input_tokens: tokens.input, output_tokens: tokens.output, ..together }
    }

    async fn ask(&self, incident: &IncidentSpec, tokens: &mut Tokens) -> Result<Answer, String> {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let Prompt { system, user } = prompt::build(incident, &self.settings.model_id, &nonce);
        let system = system.map(SystemContentBlock::Text);
        let mut messages = vec![message(ConversationRole::User, user)?];
        let first = self.converse(system.clone(), &messages, tokens).await?;
        let error = match verdict::parse(&first) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        // An empty turn is refused by the API.
        let said = if first.trim().is_empty() { "(nothing)".to_owned() } else { first };
        messages.push(message(ConversationRole::Assistant, said)?);
        messages.push(message(ConversationRole::User, prompt::repair(&error))?);
        let second = self.converse(system, &messages, tokens).await?;
        verdict::parse(&second).map_err(|error| format!("its answer was not what was asked for, twice: {error}"))
    }

    async fn converse(
        &self,
        system: Option<SystemContentBlock>,
        messages: &[Message],
        tokens: &mut Tokens,
    ) -> Result<String, String> {
        let mut pauses = PAUSES.iter();
        loop {
            let limits = InferenceConfiguration::builder().temperature(0.0).max_tokens(MAX_TOKENS).build();
            let call = self
                .client
                .converse()
                .model_id(&self.settings.model_id)
                .set_system(system.clone().map(|s| vec![s]))
                .set_messages(Some(messages.to_vec()))
                .inference_config(limits)
                .send();
            match call.await {
                Ok(output) => return Ok(read(&output, tokens)),
                Err(error) => match pauses.next() {
                    Some(pause) if error.code() == Some("ThrottlingException") => {
                        let jitter = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
                        tokio::time::sleep(*pause + *pause * jitter / 512).await;
                    }
                    _ => return Err(fault("asking the model", &error).to_string()),
                },
            }
        }
    }
}

fn message(role: ConversationRole, text: String) -> Result<Message, String> {
    Message::builder().role(role).content(ContentBlock::Text(text)).build().map_err(|e| e.to_string())
}

fn read(output: &ConverseOutput, tokens: &mut Tokens) -> String {
    if let Some(usage) = output.usage() {
        tokens.input += u32::try_from(usage.input_tokens()).unwrap_or(0);
        tokens.output += u32::try_from(usage.output_tokens()).unwrap_or(0);
    }
    let message = output.output().and_then(|o| o.as_message().ok());
    let blocks = message.map(Message::content).unwrap_or_default();
    blocks.iter().filter_map(|b| b.as_text().ok()).cloned().collect()
}
