//! What the tests run on: one control plane for all, with the CRDs; a namespace of its own for each test.

use std::sync::LazyLock;
use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use sandbox::ControlPlane;

static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| {
    let plane = ControlPlane::start().expect("the control plane starts");
    let crds = reforge::cli::all_manifests().expect("the CRDs render");
    plane.kubectl_with(&crds, &["apply", "--server-side", "-f", "-"]).expect("the CRDs are accepted");
    let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"];
    plane.kubectl(&established).expect("the CRDs are established");
    plane
});

/// The control plane.
pub fn plane() -> &'static ControlPlane {
    &PLANE
}

/// A new namespace.
pub fn namespace() -> String {
    let name = format!("t-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    plane().kubectl(&["create", "namespace", &name]).expect("a namespace is created");
    name
}

/// A client with a cluster administrator's rights.
pub async fn client(of: &ControlPlane) -> Client {
    // The first test to come installs it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Kubeconfig::read_from(of.kubeconfig()).expect("the kubeconfig is readable");
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("a config");
    Client::try_from(config).expect("a client")
}

/// Waits until `check` gives something, for half a minute at most.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, check: impl Fn() -> F) -> T {
    for _ in 0..600 {
        if let Some(found) = check().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("after 30 s still not: {what}");
}
