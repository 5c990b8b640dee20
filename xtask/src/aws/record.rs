//! What a run notes before it makes anything, so that whatever becomes of the run, the next start can tear down what it
//! made: a folder in the cache for each account and region, with the Terraform, its local state, and `record.json`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sandbox::parts;
use serde_json::{Value, json};

use super::names::Site;

/// The folder of an account and region; nobody else works in it while this lives.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    _lock: File,
}

impl Record {
    /// Opens the folder, made if it is not there.
    pub fn open(site: &Site) -> Result<Self> {
        let name = format!("{}-{}", site.account, site.region);
        let all = parts::cache()?.join("acceptance");
        let folder = all.join(&name);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let lock = File::create(all.join(format!("{name}.lock")))?;
        if lock.try_lock().is_err() {
            bail!("another run works in {name}; let it end");
        }
        Ok(Self { folder, _lock: lock })
    }

    /// The id of a run that was begun here and not torn down.
    pub fn unfinished(&self) -> Option<String> {
        let text = fs::read_to_string(self.file()).ok()?;
        let record: Value = serde_json::from_str(&text).ok()?;
        record["run"].as_str().map(ToOwned::to_owned)
    }

    /// Notes a run, before it makes anything.
    pub fn begin(&self, run: &str, site: &Site, terraform: &Path) -> Result<()> {
        sandbox::copy_terraform(terraform, &self.terraform())?;
        let record = json!({"run": run, "account": site.account, "region": site.region});
        // Written beside and moved: a record is there whole or not at all.
        let beside = self.folder.join("record.json.new");
        fs::write(&beside, format!("{record:#}\n"))?;
        fs::rename(&beside, self.file()).context("writing the record of the run")
    }

    /// Forgets a run of which nothing is left.
    pub fn end(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("removing {}", self.folder.display()))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The run's copy of the Terraform.
    pub fn terraform(&self) -> PathBuf {
        self.folder.join("terraform")
    }

    /// The root module of the install, with its state beside it.
    pub fn install(&self) -> PathBuf {
        self.terraform().join("environments/acceptance/install")
    }

    /// The root module of a workspace.
    pub fn workspace(&self, name: &str) -> PathBuf {
        self.terraform().join("environments/acceptance/workspaces").join(name)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("record.json")
    }
}
