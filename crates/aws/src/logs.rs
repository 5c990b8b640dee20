//! S3: an account's CloudTrail logs, brought into a folder to be looked through.

use std::path::Path;
use std::time::Duration;

use aws_config::SdkConfig;
use reforge_core::words::fault::Fault;
use tokio::fs::File;

use crate::accounts::s3_client;
use crate::ask::ask;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Brings every object below a prefix into `folder`, each under its own name behind its number; gives back how many.
///
/// # Errors
/// What S3 answered, or why a file could not be written.
pub async fn fetch(config: &SdkConfig, (bucket, prefix): (&str, &str), folder: &Path) -> Result<usize, Fault> {
    let (s3, mut count, mut token) = (s3_client(config), 0, None);
    loop {
        let doing = format!("listing s3://{bucket}/{prefix}");
        let call = s3.list_objects_v2().bucket(bucket).prefix(prefix).set_continuation_token(token).send();
        let page = ask(&doing, TIMEOUT, call).await?;
        for key in page.contents().iter().filter_map(|object| object.key()) {
            let doing = format!("reading s3://{bucket}/{key}");
            let object = ask(&doing, TIMEOUT, s3.get_object().bucket(bucket).key(key).send()).await?;
            let path = folder.join(format!("{count:09}-{}", key.rsplit('/').next().unwrap_or(key)));
            let written = async {
                let mut file = File::create(&path).await?;
                tokio::io::copy(&mut object.body.into_async_read(), &mut file).await
            };
            let failed =
                |error: std::io::Error| Fault::ours(format!("{doing} to {}", path.display()), &error.to_string());
            written.await.map_err(failed)?;
            count += 1;
        }
        token = page.next_continuation_token;
        if token.is_none() {
            return Ok(count);
        }
    }
}
