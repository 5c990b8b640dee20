//! What the cluster's side does not ask itself: CodeBuild's word on a build, for the workspaces' Leases.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use reforge_aws::clients::Clients;
use reforge_cluster::{CodeBuild, Runs};

/// The one who is asked.
pub struct Asked(pub Arc<Clients>);

impl CodeBuild for Asked {
    fn runs<'a>(&'a self, account: Option<&'a str>, build: &'a str) -> BoxFuture<'a, Runs> {
        let runs = async move {
            let Ok(install) = self.0.install(account.unwrap_or(self.0.home())).await else { return Runs::Yes };
            match install.builds.get(build).await {
                Ok(Some(build)) if build.is_over() => Runs::No,
                Ok(Some(_)) | Err(_) => Runs::Yes,
                Ok(None) => Runs::Unheard,
            }
        };
        runs.boxed()
    }
}
