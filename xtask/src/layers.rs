//! `cargo xtask layers`: what the compiler cannot say of the layers. What decides, and the types that it decides on, bring
//! nothing with them that reaches a network; they name nothing of `std` that does; and their files import each other in one
//! direction. (That single calls are forbidden is `crates/core/clippy.toml`'s matter.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::machine;

mod drawn;

/// What reaches a network, or waits for it; a dash at the end: every name that begins so.
const NETWORK: [&str; 16] = [
    "async-std",
    "aws-",
    "axum",
    "h2",
    "hyper",
    "hyper-",
    "kube-client",
    "kube-runtime",
    "mio",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "tokio-",
    "tower",
    "ureq",
];
/// What the model has no use for. Its checker brings a small web server, which nobody starts.
const CLIENTS: [&str; 4] = ["aws-", "kube-client", "kube-runtime", "reforge"];
/// AWS; the TLS of kube's client, aws-lc-rs, is none of it.
const AWS: [&str; 4] = ["aws-config", "aws-sdk-", "aws-smithy-", "aws-types"];
/// The cluster.
const CLUSTER: [&str; 3] = ["kube-client", "kube-runtime", "reforge-cluster"];
/// How the SDKs' crates are named in code.
const SDK: [&str; 4] = ["aws_config::", "aws_sdk_", "aws_smithy_", "aws_types::"];
/// Modules of `std` that a layer without effects has no use for.
const EFFECTS: [&str; 5] = ["env", "fs", "net", "process", "thread"];
/// The layers without effects.
const LAYERS: [(&str, &str); 2] = [("reforge-api", "crates/api/src"), ("reforge-core", "crates/core/src")];

/// Looks at all of it. What docs/architecture.md shows of it is compared, or written.
pub fn check(write: bool) -> Result<()> {
    for (package, folder) in LAYERS {
        brings_none_of(package, &NETWORK)?;
        let files = Files::read(&machine::root().join(folder))?;
        files.name_no_effects()?;
        let imports = files.imports();
        if let Some(circle) = circle(&imports) {
            bail!("{folder} has an import circle: {}", circle.join(" -> "));
        }
        if let Some(circle) = circle(&by_room(&imports)) {
            bail!("{folder} has an import circle of its rooms: {}", circle.join(" -> "));
        }
    }
    brings_none_of("reforge-model", &CLIENTS)?;
    brings_none_of("reforge-cluster", &AWS)?;
    brings_none_of("reforge-aws", &CLUSTER)?;
    let program = Files::read(&machine::root().join("src"))?;
    for (module, text) in &program.0 {
        if let Some(sdk) = SDK.iter().find(|sdk| text.contains(*sdk)) {
            bail!("src, {}: {sdk} is crates/aws's to use", show(module));
        }
    }
    drawn::check(write)?;
    eprintln!("xtask: the layers hold");
    Ok(())
}

/// Fails if one of these is among what the package depends on, whatever it is that brings it.
fn brings_none_of(package: &str, forbidden: &[&str]) -> Result<()> {
    let tree = ["tree", "--locked", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let output = Command::new("cargo").args(tree).current_dir(machine::root()).output()?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    ensure!(names.contains(package), "cargo tree does not name {package} itself");
    let is = |name: &str, one: &str| name == one || (one.ends_with('-') && name.starts_with(one));
    match names.iter().find(|name| forbidden.iter().any(|one| is(name, one))) {
        Some(name) => {
            bail!("{package} depends on {name}; cargo tree -p {package} -e normal -i {name} says by which way")
        }
        None => Ok(()),
    }
}

/// The name of a module from the crate's root; empty: the root.
type Module = Vec<String>;

/// The source files of a crate, by module, without comments and without tests.
#[derive(Debug, Default)]
struct Files(BTreeMap<Module, String>);

/// A path that a file names, from the crate's root, and whether it only gives it on under its own name.
struct Named {
    path: Vec<String>,
    given_on: bool,
}

impl Files {
    fn read(source: &Path) -> Result<Self> {
        let (mut files, mut folders) = (Self::default(), vec![PathBuf::new()]);
        while let Some(folder) = folders.pop() {
            let path = source.join(&folder);
            for entry in path.read_dir().with_context(|| format!("reading {}", path.display()))? {
                let path = entry?.path();
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
                match name.strip_suffix(".rs") {
                    _ if path.is_dir() => folders.push(folder.join(name)),
                    Some("tests") | None => {}
                    Some(stem) => {
                        let own = Some(stem).filter(|stem| !["lib", "mod"].contains(stem));
                        let names = folder.iter().filter_map(|part| part.to_str()).chain(own);
                        files.add(names.map(str::to_owned).collect(), &std::fs::read_to_string(&path)?);
                    }
                }
            }
        }
        Ok(files)
    }

    fn add(&mut self, module: Module, text: &str) {
        // Tests stand at the end of a file, and may look at anything.
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        self.0.insert(module, code.collect::<Vec<_>>().join("\n"));
    }

    fn name_no_effects(&self) -> Result<()> {
        for (module, text) in &self.0 {
            let paths = statements(text).flat_map(|statement| paths(statement, "std"));
            if let Some(path) = paths.into_iter().find(|p| p.first().is_some_and(|m| EFFECTS.contains(&m.as_str()))) {
                bail!("{} makes use of std::{}", show(module), path.join("::"));
            }
            ensure!(!text.contains("::now("), "{} looks at a clock", show(module));
        }
        Ok(())
    }

    /// Which file imports which. One that only gives a name on is passed over: who imports that name imports the file that has
    /// it.
    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut imports = BTreeMap::new();
        for (module, text) in &self.0 {
            let named = self.named(module);
            let to = named.iter().filter(|n| !n.given_on || has_use_for(text, &n.path)).map(|n| self.home(&n.path, 0));
            imports.insert(module.clone(), to.filter(|to| to != module).collect());
        }
        imports
    }

    fn named(&self, module: &Module) -> Vec<Named> {
        let text = &self.0[module];
        let children: Vec<&str> = self
            .0
            .keys()
            .filter(|m| m.len() == module.len() + 1 && m.starts_with(module))
            .filter_map(|m| m.last().map(String::as_str))
            .collect();
        let mut named = Vec::new();
        for statement in statements(text) {
            let given_on = statement.trim_start().starts_with("pub use ");
            let mut add = |from: &[String], paths: Vec<Vec<String>>| {
                named.extend(paths.into_iter().map(|path| Named { path: [from, &path].concat(), given_on }));
            };
            add(&[], paths(statement, "crate"));
            add(&module[..module.len().saturating_sub(1)], paths(statement, "super"));
            add(module, paths(statement, "self"));
            for child in &children {
                let used = statement.trim_start().trim_start_matches("pub ").trim_start_matches("use ");
                if used.starts_with(&format!("{child}::")) {
                    add(&[&module[..], &[(*child).to_owned()]].concat(), paths(used, child));
                }
            }
        }
        named
    }

    /// The module of the file that has what a path names.
    fn home(&self, path: &[String], depth: usize) -> Module {
        let length = (0..=path.len()).rev().find(|n| self.0.contains_key(&path[..*n])).unwrap_or(0);
        let module = path[..length].to_vec();
        let Some(name) = path.get(length).filter(|_| depth < 8) else { return module };
        let given: Vec<Named> = self.named(&module).into_iter().filter(|n| n.given_on).collect();
        let by_name = given.iter().find(|n| n.path.last() == Some(name));
        let by_glob = given.iter().filter(|n| n.path.last().is_some_and(|last| last == "*")).find(|n| {
            let from = self.home(&n.path[..n.path.len() - 1], depth + 1);
            self.0.get(&from).is_some_and(|text| defines(text, name))
        });
        match (by_name, by_glob) {
            (Some(n), _) => self.home(&n.path, depth + 1),
            (None, Some(n)) => self.home(&n.path[..n.path.len() - 1], depth + 1),
            (None, None) => module,
        }
    }
}

/// The text cut where a statement can end, so that a `use` is one piece.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(|piece| {
        let start = ["\npub use ", "\nuse "].iter().filter_map(|word| piece.rfind(word)).max();
        start.map_or(piece, |at| &piece[at + 1..])
    })
}

/// The paths that begin with `root::` in a piece of text, each without its root; those in braces one by one.
fn paths(text: &str, root: &str) -> Vec<Vec<String>> {
    let begin = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in text.match_indices(&begin) {
        if !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c)) {
            tree(&text[at + begin.len()..], &[], &mut found);
        }
    }
    found
}

/// Reads one path, or several in braces, behind what was read; gives back what is left of the text.
fn tree<'a>(text: &'a str, before: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            match rest.strip_prefix('}') {
                Some(rest) => return rest,
                None if rest.is_empty() => return rest,
                None => rest = tree(rest, before, found),
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_#*".contains(c))).unwrap_or(text.len());
    if end == 0 {
        // Nothing that a path could go on with: what was read so far is all of it.
        found.push(before.to_vec());
        return text.get(text.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    let (name, rest) = text.split_at(end);
    let mut path = before.to_vec();
    if name != "self" {
        path.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(rest) => tree(rest, &path, found),
        None => {
            found.push(path);
            let rest = rest.trim_start();
            let renamed =
                rest.strip_prefix("as ").map(|new| new.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
            renamed.unwrap_or(rest)
        }
    }
}

/// Whether a file has a use of its own for a name that it gives on.
fn has_use_for(text: &str, path: &[String]) -> bool {
    let Some(name) = path.last() else { return false };
    let code = text.split(';').filter(|piece| !piece.trim_start().starts_with("pub use "));
    code.flat_map(|piece| piece.split(|c: char| !(c.is_alphanumeric() || c == '_'))).any(|word| word == name)
}

/// Whether a file has an item of this name; kube makes a kind from its attribute.
fn defines(text: &str, name: &str) -> bool {
    let words = ["struct", "enum", "fn", "const", "type", "trait", "static", "mod"];
    let item = |word: &&str| {
        let start = format!("pub {word} {name}");
        text.match_indices(&start)
            .any(|(at, _)| !text[at + start.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    words.iter().any(item) || text.contains(&format!("kind = \"{name}\""))
}

/// The imports between the folders, and files, at the top.
fn by_room(imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let room = |module: &Module| module.iter().take(1).cloned().collect::<Module>();
    let mut rooms: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (from, to) in imports {
        rooms.entry(room(from)).or_default().extend(to.iter().map(room).filter(|to| *to != room(from)));
    }
    rooms
}

/// A circle, if there is one.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    let mut left = imports.clone();
    // Who imports nobody that is left is in no circle.
    while let Some(done) =
        left.iter().find(|(_, to)| !to.iter().any(|to| left.contains_key(to))).map(|(from, _)| from.clone())
    {
        left.remove(&done);
    }
    let mut way = vec![left.keys().next()?];
    loop {
        let next = left[way[way.len() - 1]].iter().find(|to| left.contains_key(*to))?;
        if let Some(at) = way.iter().position(|seen| *seen == next) {
            return Some(way[at..].iter().copied().chain([next]).map(show).collect());
        }
        way.push(next);
    }
}

fn show(module: &Module) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Files {
        let mut all = Files::default();
        for (module, text) in files {
            all.add(module.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect(), text);
        }
        all
    }

    fn circle_of(given: &[(&str, &str)]) -> Option<String> {
        circle(&files(given).imports()).map(|circle| circle.join(" "))
    }

    #[test]
    fn files_that_import_each_other_are_a_circle_however_they_say_it() {
        for (a, b) in [
            ("use crate::b::B;", "use crate::a::A;"),
            ("use crate::{b::{B, C}, c};", "fn f() -> super::a::A {}"),
            ("use super::b;", "use super::a::{self, A as X};"),
        ] {
            assert!(circle_of(&[("", "mod a;\nmod b;"), ("a", a), ("b", b), ("c", "")]).is_some(), "{a} {b}");
        }
    }

    #[test]
    fn a_circle_over_three_files_is_shown_as_it_goes() {
        let three =
            [("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;"), ("d", "use crate::a;")];
        assert_eq!(circle_of(&three).as_deref(), Some("a b c a"));
    }

    #[test]
    fn a_parent_that_only_gives_names_on_is_nobodys_circle() {
        let root = "mod event;\nmod incident;\n\npub use event::{Actor, Origin};\npub use incident::*;\n";
        let event = "pub struct Actor;\npub enum Origin {}";
        let incident = "use super::{Actor, Origin};\n\npub struct Incident(Actor);";
        assert_eq!(circle_of(&[("", root), ("event", event), ("incident", incident)]), None);
        let back = "use crate::Incident;\n\npub struct Actor;\npub enum Origin {}";
        assert_eq!(
            circle_of(&[("", root), ("event", back), ("incident", incident)]).as_deref(),
            Some("event incident event")
        );
    }

    #[test]
    fn a_parent_with_a_use_of_its_own_for_what_it_gives_on_imports_it() {
        let parent = "mod entry;\n\npub use entry::Entry;\n\npub struct Catalog(Vec<Entry>);";
        let back = "use super::Catalog;\n\npub struct Entry;";
        assert!(circle_of(&[("catalog", parent), ("catalog/entry", back)]).is_some());
        assert_eq!(circle_of(&[("catalog", parent), ("catalog/entry", "pub struct Entry;")]), None);
    }

    #[test]
    fn tests_and_comments_import_nothing() {
        let a = "//! See [`crate::b`].\nuse std::fmt;\n\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}";
        assert_eq!(circle_of(&[("a", a), ("b", "use crate::a::A;")]), None);
    }

    #[test]
    fn what_reaches_out_is_seen_in_a_group_too() {
        assert!(files(&[("a", "use std::{collections::BTreeMap, fs};")]).name_no_effects().is_err());
        assert!(files(&[("a", "fn f() { std::env::var(\"X\"); }")]).name_no_effects().is_err());
        assert!(files(&[("a", "fn f() -> Time { Time::now() }")]).name_no_effects().is_err());
        assert!(files(&[("a", "use std::{fmt, sync::Arc};\nuse crate::fs::X;")]).name_no_effects().is_ok());
    }
}
