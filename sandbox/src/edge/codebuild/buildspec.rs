//! A buildspec, version 0.2 (CodeBuild User Guide, "Build specification reference"). Pure.
//!
//! Read are `env` (variables, parameter-store, exported-variables) and the commands and `finally` of the four phases; artifacts, cache, reports and batches are passed over.

use serde_yaml::Value;

/// The phases that a buildspec can have, in order.
pub const PHASES: [&str; 4] = ["install", "pre_build", "build", "post_build"];

/// What a build is to do.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Buildspec {
    /// `env.variables`.
    pub variables: Vec<(String, String)>,
    /// `env.parameter-store`: variable and parameter name.
    pub parameters: Vec<(String, String)>,
    /// `env.exported-variables`.
    pub exported: Vec<String>,
    /// By [`PHASES`].
    pub phases: [Phase; 4],
}

/// The commands of one phase.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Phase {
    /// `commands`.
    pub commands: Vec<String>,
    /// `finally`: run whether or not a command failed.
    pub finally: Vec<String>,
}

impl Buildspec {
    /// Reads a buildspec.
    ///
    /// # Errors
    /// What CodeBuild would say in the context of `DOWNLOAD_SOURCE`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let root: Value = serde_yaml::from_str(text).map_err(|e| format!("YAML_FILE_ERROR: {e}"))?;
        let phases = root.get("phases").and_then(Value::as_mapping).ok_or("YAML_FILE_ERROR: phases is missing")?;
        let mut spec = Self::default();
        for (slot, name) in spec.phases.iter_mut().zip(PHASES) {
            if let Some(phase) = phases.get(name) {
                *slot = Phase { commands: texts(phase.get("commands"))?, finally: texts(phase.get("finally"))? };
            }
        }
        if let Some(env) = root.get("env") {
            spec.variables = pairs(env.get("variables"))?;
            spec.parameters = pairs(env.get("parameter-store"))?;
            spec.exported = texts(env.get("exported-variables"))?;
        }
        match spec.exported.iter().find(|name| !is_name(name)) {
            Some(name) => Err(format!("YAML_FILE_ERROR: {name} is not the name of a variable")),
            None => Ok(spec),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn pairs(value: Option<&Value>) -> Result<Vec<(String, String)>, String> {
    let Some(members) = value.and_then(Value::as_mapping) else { return Ok(Vec::new()) };
    members.iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
}

fn texts(value: Option<&Value>) -> Result<Vec<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Sequence(items)) => items.iter().map(text).collect(),
        Some(one) => Ok(vec![text(one)?]),
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        // The commonest slip: `echo a: b` without quotes is a mapping to YAML.
        _ => Err("YAML_FILE_ERROR: Expected Commands[0] to be of string type: found subkeys instead".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_may_be_one_text_and_values_numbers() {
        let spec = Buildspec::parse("version: 0.2\nenv:\n  variables: {A: 1}\n  exported-variables: [B]\nphases:\n  build:\n    commands: |\n      echo a\n    finally: [echo b]\n").unwrap();
        assert_eq!(spec.variables, [("A".to_owned(), "1".to_owned())]);
        assert_eq!(spec.exported, ["B"]);
        assert_eq!(spec.phases[2], Phase { commands: vec!["echo a\n".to_owned()], finally: vec!["echo b".to_owned()] });
    }

    #[test]
    fn a_mapping_among_the_commands_is_refused() {
        assert!(
            Buildspec::parse("phases:\n  build:\n    commands:\n      - echo a: b\n").unwrap_err().contains("subkeys")
        );
    }
}
