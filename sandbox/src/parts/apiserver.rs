//! kube-apiserver: from KUBEBUILDER_ASSETS, the cache or PATH, else built from Go modules.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{kept, long};

/// The version that is built.
const VERSION: &str = "1.36.3";
/// The same version of the modules that Kubernetes keeps in its own repository.
const STAGING: &str = "v0.36.3";

/// The program.
pub fn apiserver() -> Result<PathBuf> {
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") {
        let program = PathBuf::from(assets).join("kube-apiserver");
        if program.exists() {
            return Ok(program);
        }
    }
    let folder = kept(&format!("kube-apiserver-{VERSION}"), build)?;
    Ok(folder.join("kube-apiserver"))
}

fn build(work: &Path) -> Result<()> {
    let module = format!("k8s.io/kubernetes@v{VERSION}");
    let go = |args: &[&str]| {
        let mut command = Command::new("go");
        command.args(args).current_dir(work).env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=mod");
        command
    };
    let downloaded = go(&["mod", "download", "-json", &module])
        .output()
        .context("go is not on the PATH; the sandbox builds kube-apiserver with Go 1.26 or newer")?;
    let answer: serde_json::Value = serde_json::from_slice(&downloaded.stdout)?;
    let Some(source) = answer["Dir"].as_str() else {
        bail!("downloading {module}: {}{}", answer["Error"], String::from_utf8_lossy(&downloaded.stderr));
    };
    let original = fs::read_to_string(Path::new(source).join("go.mod"))?;
    let mut replaced = String::new();
    for name in original.lines().filter(|l| l.contains("=> ./staging")).filter_map(|l| l.split_whitespace().next()) {
        writeln!(replaced, "\t{name} => {name} {STAGING}")?;
    }
    let text = format!(
        "module reforge.dev/sandbox/control-plane\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire k8s.io/kubernetes v{VERSION}\n\nreplace (\n{replaced})\n"
    );
    fs::write(work.join("go.mod"), text)?;
    fs::write(work.join("imports.go"), "package controlplane\n\nimport _ \"k8s.io/kubernetes/cmd/kube-apiserver\"\n")?;
    long("finding kube-apiserver's modules", "30 s", &mut go(&["mod", "tidy", "-e"]), &work.join("tidy.log"))?;
    let version = "k8s.io/component-base/version";
    let flags = format!("-s -w -X {version}.gitVersion=v{VERSION} -X {version}.gitMajor=1 -X {version}.gitMinor=36");
    let args =
        ["build", "-trimpath", "-ldflags", &flags, "-o", "kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"];
    long(&format!("building kube-apiserver {VERSION}"), "3 min on two cores", &mut go(&args), &work.join("build.log"))
}
