//! Given a folder, gives the log files in it and below, in the order of their paths.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How the names of log files end. `.gz` takes `.json.gz` with it, but also `.tar.gz`: that is told when it is read.
const ENDINGS: [&str; 5] = ["json", "gz", "zst", "ndjson", "log"];

/// CloudTrail keeps the signatures of its log files beside them; they are JSON, but hold no records.
const DIGESTS: &str = "CloudTrail-Digest";

/// The log files below a folder. Folders that are symbolic links are passed over: they may lead back up.
pub(crate) fn log_files(folder: &Path, wrong: &mut impl FnMut(&Path, io::Error)) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                wrong(&folder, error);
                continue;
            }
        };
        for entry in entries {
            let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
            match kind {
                Ok((path, kind)) if kind.is_dir() => {
                    if path.file_name().is_none_or(|name| name != DIGESTS) {
                        folders.push(path);
                    }
                }
                Ok((path, _)) => {
                    if is_log(&path) && path.is_file() {
                        files.push(path);
                    }
                }
                Err(error) => wrong(&folder, error),
            }
        }
    }
    files.sort();
    files
}

fn is_log(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}
