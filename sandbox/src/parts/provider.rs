//! Terraform's AWS provider: from its registry, else built from Go modules with the services that the sandbox needs.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::{kept, long};

const VERSION: &str = "6.47.1";
/// What the Go module proxy calls that version: its tags are of a major version that its module path does not have.
const MODULE: &str = "github.com/hashicorp/terraform-provider-aws@v1.60.1-0.20260602190131-5f2286d6d836";
/// The service packages that are built.
const SERVICES: &[&str] = &[
    "codebuild",
    "dynamodb",
    "ec2",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "meta",
    "s3",
    "s3control",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
];
/// More bytes than the script has that starts the program.
const SCRIPT: u64 = 4096;
/// How long the registry may take. Where there is none, that is known at once.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(180);

/// A configuration file for Terraform (`TF_CLI_CONFIG_FILE`) that takes the provider from the cache.
pub fn terraform_config() -> Result<PathBuf> {
    let services = hex::encode(Sha256::digest(SERVICES.join(" ")));
    let folder = kept(&format!("terraform-provider-aws-{VERSION}-{}", &services[..12]), |work| {
        if from_registry(work)? { Ok(()) } else { build(work) }
    })?;
    set_aside(&folder)?;
    let config = folder.join("terraform.rc");
    let text = format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path = {:?}\n  }}\n}}\n",
        folder.join("mirror").display().to_string()
    );
    if fs::read_to_string(&config).ok().as_ref() != Some(&text) {
        fs::write(&config, text)?;
    }
    Ok(config)
}

/// Puts a script that starts the provider in its place. Terraform hashes a provider's package again in each command, and this
/// one's program has over 600 MB: that was a third of all that a recovery costs. Each step is whole or not at all, for others
/// may take it at the same time; a cache that was moved gets a script that knows its new place.
fn set_aside(folder: &Path) -> Result<()> {
    let name = format!("terraform-provider-aws_v{VERSION}");
    let packages = platform_folder(folder)?;
    let started = fs::read_dir(&packages)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .find(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&name)))
        .with_context(|| format!("there is no provider in {}", packages.display()))?;
    let beside = folder.join("program");
    let program = beside.join(&name);
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", program.display());
    if fs::metadata(&started)?.len() >= SCRIPT {
        fs::create_dir_all(&beside)?;
        match fs::hard_link(&started, &program) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
    } else if fs::read_to_string(&started)? == script {
        return Ok(());
    }
    let new = tempfile::NamedTempFile::new_in(&beside)?;
    fs::write(new.path(), script)?;
    fs::set_permissions(new.path(), fs::Permissions::from_mode(0o755))?;
    new.persist(&started)?;
    Ok(())
}

fn platform_folder(work: &Path) -> Result<PathBuf> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("Terraform's AWS provider is not made for {other}"),
    };
    let folder = format!("mirror/registry.terraform.io/hashicorp/aws/{VERSION}/{}_{arch}", std::env::consts::OS);
    Ok(work.join(folder))
}

/// Downloads the provider as it was released. Says whether that was possible.
fn from_registry(work: &Path) -> Result<bool> {
    let config = work.join("download");
    fs::create_dir_all(&config)?;
    let required = format!(
        "terraform {{\n  required_providers {{\n    aws = {{\n      source  = \"hashicorp/aws\"\n      version = \"{VERSION}\"\n    }}\n  }}\n}}\n"
    );
    fs::write(config.join("versions.tf"), required)?;
    eprintln!("sandbox: asking Terraform's registry for the AWS provider {VERSION} (at most 3 min; once)");
    let mut mirror = Command::new("terraform")
        .args(["providers", "mirror"])
        .arg(work.join("packed"))
        .current_dir(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("terraform is not on the PATH; the sandbox needs Terraform 1.11 or newer")?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = mirror.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > REGISTRY_PATIENCE {
            mirror.kill()?;
            mirror.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.is_some_and(|s| s.success()) {
        return Ok(false);
    }
    let packed = work.join("packed/registry.terraform.io/hashicorp/aws");
    let archive = fs::read_dir(&packed)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .find(|path| path.extension().is_some_and(|e| e == "zip"))
        .context("the registry gave no archive")?;
    zip::ZipArchive::new(fs::File::open(archive)?)?.extract(platform_folder(work)?)?;
    fs::remove_dir_all(work.join("packed"))?;
    Ok(true)
}

fn build(work: &Path) -> Result<()> {
    eprintln!("sandbox: the registry is out of reach; the provider is built from its source");
    let source = work.join("source");
    fetch_source(&source)?;
    keep_services(&source.join("internal/provider/sdkv2/service_packages_gen.go"))?;
    let program = platform_folder(work)?.join(format!("terraform-provider-aws_v{VERSION}"));
    let flags = format!("-s -w -X github.com/hashicorp/terraform-provider-aws/version.ProviderVersion={VERSION}");
    let mut build = Command::new("go");
    build.args(["build", "-mod=readonly", "-trimpath", "-ldflags", &flags, "-o"]).arg(&program).arg(".");
    build.current_dir(&source).env("CGO_ENABLED", "0");
    let what = format!("building Terraform's AWS provider {VERSION}");
    long(&what, "11 min and 6 GB of memory on two cores", &mut build, &work.join("build.log"))?;
    fs::remove_dir_all(&source)?;
    Ok(())
}

/// A copy of the module's Go source that can be changed.
fn fetch_source(to: &Path) -> Result<()> {
    eprintln!("sandbox: downloading the provider's source (about 30 s; once)");
    let downloaded = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .output()
        .context("go is not on the PATH; the sandbox builds the provider with Go 1.26 or newer")?;
    let answer: serde_json::Value = serde_json::from_slice(&downloaded.stdout)?;
    let Some(module) = answer["Dir"].as_str() else {
        bail!("downloading {MODULE}: {}{}", answer["Error"], String::from_utf8_lossy(&downloaded.stderr));
    };
    fs::create_dir_all(to)?;
    // Only what the program is built from; the module's cache is read-only, the copy must not be.
    let mut copy = Command::new("cp");
    copy.args(["-R", "--no-preserve=mode"]);
    copy.args(["go.mod", "go.sum", "main.go", "internal", "version", "names"].map(|n| Path::new(module).join(n)));
    let status = copy.arg(to).status()?;
    if !status.success() {
        bail!("copying the provider's source: {status}");
    }
    Ok(())
}

/// Leaves only our services in the list of service packages.
fn keep_services(list: &Path) -> Result<()> {
    let text = fs::read_to_string(list)?;
    let mut kept = String::new();
    let mut count = 0;
    for line in text.lines() {
        let service = service_of(line);
        if service.is_none_or(|s| SERVICES.contains(&s)) {
            count += usize::from(service.is_some());
            writeln!(kept, "{line}")?;
        }
    }
    // An import and an entry for each.
    if count != 2 * SERVICES.len() {
        bail!("the provider's list of services has another form: {count} lines for {} services", SERVICES.len());
    }
    fs::write(list, kept)?;
    Ok(())
}

/// The service that a line imports or lists.
fn service_of(line: &str) -> Option<&str> {
    let line = line.trim();
    if let Some((_, path)) = line.split_once("terraform-provider-aws/internal/service/") {
        return path.strip_suffix('"');
    }
    line.strip_suffix(".ServicePackage(ctx),")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    use super::{SCRIPT, VERSION, platform_folder, set_aside};

    fn said(provider: &Path) -> String {
        let output = Command::new(provider).arg("given").output().expect("it starts");
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn a_small_file_stands_in_the_providers_place_and_starts_it_wherever_the_cache_is() {
        let cache = tempfile::tempdir().expect("a folder");
        let folder = cache.path().join("part");
        let packages = platform_folder(&folder).expect("a platform");
        fs::create_dir_all(&packages).expect("made");
        let provider = packages.join(format!("terraform-provider-aws_v{VERSION}_x5"));
        let program = format!("#!/bin/sh\necho \"I was $1\"\nexit\n{}", "#".repeat(5000));
        fs::write(&provider, program).expect("written");
        fs::set_permissions(&provider, fs::Permissions::from_mode(0o755)).expect("set");
        for _ in 0..2 {
            set_aside(&folder).expect("set aside");
            assert!(fs::metadata(&provider).expect("there").len() < SCRIPT);
            assert_eq!(said(&provider), "I was given\n");
        }
        let moved = cache.path().join("moved");
        fs::rename(&folder, &moved).expect("moved");
        set_aside(&moved).expect("set aside");
        let file = provider.file_name().expect("a name");
        assert_eq!(said(&platform_folder(&moved).expect("a platform").join(file)), "I was given\n");
    }
}
