//! Terraform's own tests (`tests/*.tftest.hcl`) of every module and of the install to start from, with the real AWS
//! provider. They plan, and no AWS is called: what it takes is in the tests, and what it refuses is refused by the modules.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex, PoisonError};

use sandbox::parts;
use tempfile::TempDir;

/// The provider, and a copy of the Terraform, which `init` writes into.
static PLACE: LazyLock<(PathBuf, TempDir)> = LazyLock::new(|| {
    let config = parts::terraform_config().expect("the provider");
    let folder = tempfile::tempdir().expect("a folder");
    let terraform = Path::new(env!("CARGO_MANIFEST_DIR")).join("../terraform");
    let copied = Command::new("cp").arg("-R").arg(terraform).arg(folder.path()).status().expect("cp");
    assert!(copied.success(), "the Terraform is copied");
    (config, folder)
});

fn terraform(root: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("terraform");
    command.args(args).current_dir(root).env("TF_CLI_CONFIG_FILE", &PLACE.0).env("CHECKPOINT_DISABLE", "1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env_remove("AWS_ENDPOINT_URL").env_remove("AWS_PROFILE");
    command.output().expect("terraform is on the PATH")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A provider of this size side by side with itself gains nothing.
static TURN: Mutex<()> = Mutex::new(());

/// What `terraform test` says of a folder.
fn ran(folder: &str) -> (bool, String) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let root = PLACE.1.path().join("terraform").join(folder);
    let init = terraform(&root, &["init", "-backend=false", "-input=false", "-no-color"]);
    assert!(init.status.success(), "{}", said(&init));
    let ran = terraform(&root, &["test", "-no-color"]);
    (ran.status.success(), said(&ran))
}

/// Runs the tests of a folder, all of which must pass.
fn tested(folder: &str) {
    let (passed, said) = ran(folder);
    assert!(passed && said.contains("Success! ") && !said.contains("Success! 0 passed"), "{folder}:\n{said}");
}

/// The same for a module about a type that a provider built by [`parts`] may be without. Then nothing else may be wrong.
fn tested_where_known(folder: &str, resource_type: &str) {
    let (passed, said) = ran(folder);
    let unknown = format!("does not support resource type \"{resource_type}\"");
    if !passed && said.contains(&unknown) {
        eprintln!("{folder} is not planned: the provider here was built without {resource_type}");
    } else {
        assert!(passed && !said.contains("Success! 0 passed"), "{folder}:\n{said}");
    }
}

#[test]
fn what_the_install_makes_is_within_what_aws_takes() {
    tested("modules/reforge");
}

#[test]
fn what_a_forwarder_makes_is_within_what_aws_takes() {
    tested("modules/forwarder");
}

#[test]
fn the_install_to_start_from_is_planned() {
    tested("environments/production");
}

#[test]
fn the_web_server_is_planned() {
    tested("modules/ec2");
}

#[test]
fn the_function_is_planned() {
    tested("modules/lambda");
}

#[test]
fn the_table_is_planned() {
    tested("modules/dynamodb");
}

#[test]
fn the_bucket_is_planned() {
    tested("modules/s3");
}

#[test]
fn the_parameter_is_planned() {
    tested("modules/ssm");
}

#[test]
fn the_database_is_planned() {
    tested_where_known("modules/rds", "aws_db_instance");
}

#[test]
fn the_cluster_is_planned() {
    tested_where_known("modules/eks", "aws_eks_cluster");
}
