//! What a run notes before it makes anything, so that whatever becomes of the run, the next start can tear down what it
//! made: a folder in the cache for each account and region, with the Terraform, its local state, and `record.json`.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sandbox::parts;
use serde::{Deserialize, Serialize};

use super::names::Site;

/// What is noted of a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Noted {
    /// Its id, which is in its tag.
    pub run: String,
    /// Where it is.
    #[serde(flatten)]
    pub site: Site,
}

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

    /// A run that was begun here and not torn down. A note that cannot be read is no sign that there was none.
    pub fn unfinished(&self) -> Result<Option<Noted>> {
        let file = self.file();
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        let noted = parse(&text).with_context(|| {
            format!(
                "{} does not say which run was begun: put it right, or remove it and tear down by what is listed then",
                file.display()
            )
        })?;
        Ok(Some(noted))
    }

    /// Notes a run, before it makes anything.
    pub fn begin(&self, noted: &Noted, terraform: &Path) -> Result<()> {
        sandbox::copy_terraform(terraform, &self.terraform())?;
        // Written beside and moved: a record is there whole or not at all.
        let beside = self.folder.join("record.json.new");
        fs::write(&beside, format!("{}\n", serde_json::to_string_pretty(noted)?))?;
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

    /// Where it is noted that a Terraform is at work.
    pub fn underway(&self) -> PathBuf {
        self.folder.join("terraform.underway")
    }

    /// Notes that it has ended.
    pub fn nothing_underway(&self) -> Result<()> {
        match fs::remove_file(self.underway()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("noting that Terraform has ended"),
            _ => Ok(()),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("record.json")
    }
}

fn parse(text: &str) -> Result<Noted> {
    let noted: Noted = serde_json::from_str(text)?;
    // An empty one would be looked for as a tag with any value.
    ensure!(!noted.run.is_empty(), "the run has no id");
    Ok(noted)
}

#[cfg(test)]
mod tests {
    use super::{Noted, parse};
    use crate::aws::names::Site;

    #[test]
    fn a_run_is_noted_with_its_account_region_and_partition() {
        let site =
            Site { account: "111122223333".to_owned(), region: "eu-west-1".to_owned(), partition: "aws".to_owned() };
        let noted = Noted { run: "20261126-100000".to_owned(), site };
        assert_eq!(parse(&serde_json::to_string(&noted).expect("written")).expect("read"), noted);
    }

    #[test]
    fn half_a_note_is_none() {
        assert!(parse("").is_err());
        assert!(parse(r#"{"run": "20261126-100000", "account": "1", "region": "eu-west-1"}"#).is_err());
        assert!(parse(r#"{"run": "", "account": "1", "region": "eu-west-1", "partition": "aws"}"#).is_err());
    }
}
