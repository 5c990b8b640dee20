//! One watch of a kind, for as long as the process lives.

use std::fmt::Debug;
use std::pin::pin;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

/// How many objects are asked for at once: whole ones are in memory only so long as a page is.
const PAGE: u32 = 100;

/// What a watch tells of.
#[derive(Debug)]
pub enum Told<K> {
    /// All that there is follows; what is known may be behind.
    Relist,
    /// There is this.
    Is(K),
    /// This is gone.
    Gone(K),
    /// All that there is was told.
    Listed,
}

/// Tells of every object, until `stop`; a watch that breaks is begun anew, with growing pauses.
pub async fn follow<K>(api: Api<K>, stop: CancellationToken, mut tell: impl FnMut(Told<K>))
where
    K: Resource + ResourceExt + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let watched = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    let mut stream = pin!(watched);
    while let Some(Some(told)) = stop.run_until_cancelled(stream.next()).await {
        match told {
            Ok(watcher::Event::Init) => tell(Told::Relist),
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => tell(Told::Is(object)),
            Ok(watcher::Event::InitDone) => tell(Told::Listed),
            Ok(watcher::Event::Delete(object)) => tell(Told::Gone(object)),
            Err(error) => tracing::warn!(%error, kind = std::any::type_name::<K>(), "watching; it goes on"),
        }
    }
}
