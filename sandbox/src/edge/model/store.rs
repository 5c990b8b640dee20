//! The models of all services, found by the name that requests are signed for, and read when they are first needed.

use super::pattern::Patterns;
use super::service::{Service, metadata};
use anyhow::Context as _;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The models in one folder of botocore's data.
#[derive(Debug)]
pub struct Store {
    /// Names and files by signing name; the service that is called as it is signed comes first.
    signed: BTreeMap<String, Vec<(String, PathBuf)>>,
    read: Mutex<HashMap<PathBuf, Option<Arc<Service>>>>,
    /// The patterns that were needed so far.
    pub patterns: Patterns,
}

static OPEN: Mutex<BTreeMap<PathBuf, Arc<Store>>> = Mutex::new(BTreeMap::new());

impl Store {
    /// The models in a folder, which are the same for all of one process.
    ///
    /// # Errors
    /// When the folder can't be read, or has no models.
    pub fn open(folder: &Path) -> anyhow::Result<Arc<Self>> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(folder) {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(Self::index(folder)?);
        open.insert(folder.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    fn index(folder: &Path) -> anyhow::Result<Self> {
        let mut signed: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
        for name in names(folder)? {
            let Some(file) = newest(&folder.join(&name))? else { continue };
            let known_as = metadata(&file).with_context(|| format!("the API model of {name}"))?;
            signed.entry(known_as.signed_as().to_owned()).or_default().push((name, file));
        }
        anyhow::ensure!(!signed.is_empty(), "there are no API models in {}", folder.display());
        for (name, services) in &mut signed {
            services.sort_by_key(|(service, _)| (service != name, service.clone()));
        }
        Ok(Self { signed, read: Mutex::default(), patterns: Patterns::default() })
    }

    /// The services that requests of this signing name may be to; one that can't be read is missed, and said.
    pub fn services(&self, signed_as: &str) -> Vec<Arc<Service>> {
        let known = self.signed.get(signed_as).map(Vec::as_slice).unwrap_or_default();
        known.iter().filter_map(|(name, file)| self.service(name, file)).collect()
    }

    fn service(&self, name: &str, file: &Path) -> Option<Arc<Service>> {
        // Read under the lock: two requests at once must not both read EC2's.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(file) {
            return known.clone();
        }
        let service = match Service::load(name, file) {
            Ok(service) => Some(Arc::new(service)),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "requests are not validated");
                None
            }
        };
        read.insert(file.to_owned(), service.clone());
        service
    }
}

/// The folders of a folder, by name.
fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("the API models in {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The model of a service's newest version; versions are dates.
fn newest(service: &Path) -> anyhow::Result<Option<PathBuf>> {
    let versions = names(service)?;
    let files = versions
        .iter()
        .rev()
        .flat_map(|version| ["service-2.json.gz", "service-2.json"].map(|file| service.join(version).join(file)));
    Ok(files.into_iter().find(|file| file.exists()))
}
