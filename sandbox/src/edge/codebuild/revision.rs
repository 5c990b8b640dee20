//! What a `sourceVersion` means for a Git source (CodeBuild User Guide, "Source version sample with AWS CodeBuild"). Pure.
//!
//! Given the text and the references that a repository has, it says which of them to fetch and which commit to check out.

use std::collections::BTreeMap;

/// All branches and tags: what CodeBuild downloads unless a reference and a commit are given.
const ALL: [&str; 2] = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];

/// A `sourceVersion` of CodeCommit or GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// None: "the default branch's HEAD commit ID is used".
    Default,
    /// A full commit id.
    Commit(String),
    /// A branch or a tag.
    Name(String),
    /// A full reference: `refs/heads/main`, `refs/pull/25/head`.
    Reference(String),
    /// `refs/heads/main^{full-commit-SHA}`: "CodeBuild downloads only the specified branch to find the version".
    At {
        /// The reference.
        reference: String,
        /// The commit.
        commit: String,
    },
}

/// The references of a repository, by name, as `git ls-remote` lists them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct References(BTreeMap<String, String>);

/// What to fetch and to check out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// For `git fetch`.
    pub refspecs: Vec<String>,
    /// A commit, which may turn out not to be among what was fetched.
    pub commit: String,
}

impl Version {
    /// Reads a `sourceVersion`. Only GitHub has pull requests: elsewhere `pr/25` is the name of a branch.
    pub fn parse(text: &str, is_github: bool) -> Self {
        let pull = text.strip_prefix("pr/").filter(|number| is_github && is_number(number));
        match text.strip_suffix('}').and_then(|text| text.split_once("^{")) {
            Some((reference, commit)) if reference.starts_with("refs/") && is_commit(commit) => {
                Self::At { reference: reference.to_owned(), commit: commit.to_owned() }
            }
            _ if text.is_empty() => Self::Default,
            _ if is_commit(text) => Self::Commit(text.to_owned()),
            _ if text.starts_with("refs/") => Self::Reference(text.to_owned()),
            _ => match pull {
                Some(number) => Self::Reference(format!("refs/pull/{number}/head")),
                None => Self::Name(text.to_owned()),
            },
        }
    }

    /// What to fetch; nothing when the repository has no such reference.
    pub fn find(&self, references: &References) -> Option<Wanted> {
        let all = || ALL.map(str::to_owned).to_vec();
        Some(match self {
            Self::Default => Wanted { refspecs: all(), commit: references.commit("HEAD")? },
            Self::Commit(commit) => Wanted { refspecs: all(), commit: commit.clone() },
            Self::Name(name) => {
                let branch = references.commit(&format!("refs/heads/{name}"));
                let commit = branch.or_else(|| references.commit(&format!("refs/tags/{name}")))?;
                Wanted { refspecs: all(), commit }
            }
            Self::Reference(name) => {
                let mut refspecs = all();
                if !name.starts_with("refs/heads/") && !name.starts_with("refs/tags/") {
                    refspecs.push(format!("+{name}:{name}"));
                }
                Wanted { refspecs, commit: references.commit(name)? }
            }
            Self::At { reference, commit } => {
                references.commit(reference)?;
                Wanted { refspecs: vec![format!("+{reference}:{reference}")], commit: commit.clone() }
            }
        })
    }
}

impl References {
    /// Reads what `git ls-remote` prints: an object and a name on a line, annotated tags a second time as `NAME^{}` with their commit.
    pub fn parse(listing: &str) -> Self {
        let pairs = listing.lines().filter_map(|line| line.split_once('\t'));
        Self(pairs.map(|(object, name)| (name.to_owned(), object.to_owned())).collect())
    }

    fn commit(&self, name: &str) -> Option<String> {
        self.0.get(&format!("{name}^{{}}")).or_else(|| self.0.get(name)).cloned()
    }
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn references() -> References {
        let tag = "3333333333333333333333333333333333333333";
        References::parse(&format!(
            "{ONE}\tHEAD\n{ONE}\trefs/heads/main\n{TWO}\trefs/heads/v1\n{TWO}\trefs/pull/25/head\n{tag}\trefs/tags/v1\n{ONE}\trefs/tags/v1^{{}}\n"
        ))
    }

    fn commit(text: &str, is_github: bool) -> Option<String> {
        Version::parse(text, is_github).find(&references()).map(|wanted| wanted.commit)
    }

    #[test]
    fn every_documented_form_is_understood() {
        for (text, expected) in [("", ONE), ("main", ONE), (TWO, TWO), ("refs/heads/main", ONE), ("pr/25", TWO)] {
            assert_eq!(commit(text, true).as_deref(), Some(expected), "{text:?}");
        }
        assert_eq!(commit("refs/pull/25/head", true).as_deref(), Some(TWO));
        assert_eq!(commit(&format!("refs/heads/main^{{{TWO}}}"), true).as_deref(), Some(TWO));
    }

    #[test]
    fn an_annotated_tag_is_its_commit_and_a_branch_goes_before_a_tag() {
        assert_eq!(commit("refs/tags/v1", false).as_deref(), Some(ONE));
        assert_eq!(commit("v1", false).as_deref(), Some(TWO));
    }

    #[test]
    fn a_reference_with_a_commit_is_all_that_is_fetched() {
        let wanted = Version::parse(&format!("refs/heads/main^{{{TWO}}}"), true).find(&references()).unwrap();
        assert_eq!(wanted.refspecs, ["+refs/heads/main:refs/heads/main"]);
    }

    #[test]
    fn what_the_repository_does_not_have_is_not_found() {
        for text in ["develop", "refs/heads/develop", "pr/26", "pr/x", "main^{1}"] {
            assert_eq!(commit(text, true), None, "{text}");
        }
        assert_eq!(commit("pr/25", false), None, "CodeCommit has no pull requests");
    }
}
