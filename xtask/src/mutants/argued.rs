//! The mutants that no test can notice, each with the reason. One is named by its file, by what is done and by the line that it is
//! done to, and not by the line's number: it is found again after other lines have moved, and no more once its own was changed.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Mutant;

/// The file.
#[derive(Debug, Deserialize)]
pub struct Argued(Vec<Argument>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    /// In the sources of core.
    file: String,
    /// As cargo-mutants says it.
    mutant: String,
    /// The line that it begins on.
    line: String,
    /// Why no test can tell it from what is meant, or why none should.
    why: String,
}

impl Argument {
    fn is_for(&self, mutant: &Mutant, line: &str) -> bool {
        mutant.file.strip_prefix("crates/core/src/") == Some(self.file.as_str())
            && mutant.what() == self.mutant
            && line == self.line
    }
}

impl Argued {
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let argued: Self = serde_yaml::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
        for argument in &argued.0 {
            ensure!(!argument.why.trim().is_empty(), "nothing is argued for {}: {}", argument.file, argument.mutant);
        }
        Ok(argued)
    }

    /// Whether this one is argued for.
    pub fn has(&self, mutant: &Mutant) -> bool {
        mutant.line().is_ok_and(|line| self.0.iter().any(|argument| argument.is_for(mutant, &line)))
    }

    /// Fails if one is argued for that there is not.
    pub fn each_exists(&self, mutants: &[Mutant]) -> Result<()> {
        let lines: Vec<(&Mutant, String)> =
            mutants.iter().map(|mutant| Ok((mutant, mutant.line()?))).collect::<Result<_>>()?;
        for argument in &self.0 {
            ensure!(
                lines.iter().any(|(mutant, line)| argument.is_for(mutant, line)),
                "crates/core/mutants.yaml argues for a mutant that there is not: {}: {}, in the line {:?}",
                argument.file,
                argument.mutant,
                argument.line
            );
        }
        Ok(())
    }
}
