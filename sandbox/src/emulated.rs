//! The emulated AWS behind the edge, with nothing in it: for what brings its own Terraform.

use anyhow::Result;

use crate::edge::{self, Edge};
use crate::process::Scratch;
use crate::{Aws, parts};

/// A running emulated AWS with its edge; ends when it is dropped.
#[derive(Debug)]
pub struct Emulated {
    edge: Edge,
    /// Dropped last: the edge's builds write into it.
    _aws: Aws,
    _folder: Scratch,
}

impl Emulated {
    /// Starts one, and waits until it answers.
    pub async fn start() -> Result<Self> {
        let (terraform_config, aws_bin, models) = tokio::task::spawn_blocking(|| -> Result<_> {
            parts::ministack()?;
            Ok((parts::terraform_config()?, parts::aws_cli()?, parts::api_models()?))
        })
        .await??;
        let folder = Scratch::new("reforge-emulated-")?;
        let aws = Aws::start().await?;
        let mut config = edge::Config::new(aws.url(), folder.path(), models);
        config.build_env = vec![("TF_CLI_CONFIG_FILE".to_owned(), terraform_config.display().to_string())];
        config.path_prefix = vec![aws_bin];
        Ok(Self { edge: Edge::start(config).await?, _aws: aws, _folder: folder })
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        self.edge.url()
    }

    /// Ends builds before their folders go.
    pub async fn stop(self) {
        self.edge.shutdown().await;
    }
}
