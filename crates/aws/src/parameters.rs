//! SSM: the one parameter that the operator writes, its canary.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;
use reforge_core::words::fault::Fault;

use crate::ask::ask;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The parameters of the operator's own account and region.
#[derive(Clone, Debug)]
pub struct Parameters(Client);

impl Parameters {
    /// By the credentials of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// Writes a parameter, whatever was there.
    ///
    /// # Errors
    /// What SSM answered in place of doing it.
    pub async fn write(&self, name: &str, value: &str) -> Result<(), Fault> {
        let call = self.0.put_parameter().name(name).value(value).r#type(ParameterType::String).overwrite(true).send();
        ask(&format!("writing to {name}"), TIMEOUT, call).await.map(|_| ())
    }
}
