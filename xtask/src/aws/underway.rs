//! A Terraform that is at work, noted where the next start finds it: a run that is killed does not take it along, and it
//! would make again what a teardown removes.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::programs;

/// Notes itself and becomes the program: the note is there before Terraform is. With the id goes when the process began,
/// for an id is given to another sooner or later: the clock ticks of its start where there is /proc, else its date.
pub const NOTED: &str = r#"started=$(cut -d " " -f 22 "/proc/$$/stat" 2>/dev/null || LC_ALL=C ps -o lstart= -p $$)
printf '%s %s\n' "$$" "$started" >"$0.new" && mv "$0.new" "$0" && exec "$@""#;

/// How long a Terraform that was interrupted gets to come to its next safe point.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long a killed process takes to be gone.
const KILLED: Duration = Duration::from_secs(30);

/// A process, by its id and when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Underway {
    id: u32,
    started: String,
}

impl Underway {
    /// From a note.
    fn parse(note: &str) -> Option<Self> {
        let (id, started) = note.trim().split_once(' ')?;
        let started = started.trim().to_owned();
        Some(Self { id: id.parse().ok()?, started }).filter(|noted| noted.id > 1 && !noted.started.is_empty())
    }

    /// Whether it is still there: under the id of the note there is what began then.
    async fn is_there(&self) -> Result<bool> {
        let proc = Path::new("/proc").join(self.id.to_string()).join("stat");
        if Path::new("/proc/self/stat").exists() {
            // It is gone between two looks, and so is its file.
            return Ok(fs::read_to_string(proc).is_ok_and(|stat| started(&stat) == Some(&self.started)));
        }
        let mut ps = programs::plain("ps");
        let output = ps.env("LC_ALL", "C").args(["-o", "lstart=", "-p", &self.id.to_string()]).output().await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim() == self.started)
    }

    async fn is_gone_within(&self, patience: Duration) -> Result<bool> {
        let start = Instant::now();
        while self.is_there().await? {
            if start.elapsed() > patience {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(true)
    }

    async fn signal(&self, signal: &str, whom: &str) -> Result<()> {
        // It may have ended this moment; then there is nobody to tell.
        programs::plain("kill").args([signal, "--", whom]).stderr(Stdio::null()).status().await.context("kill")?;
        Ok(())
    }
}

/// The start of a process in the text of its `stat`, if it has not ended: proc(5). The second field is a name in brackets,
/// which may have blanks in it; the third is its state, and the 22nd when it began.
fn started(stat: &str) -> Option<&str> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // One that waits for its parent to ask after it does nothing any more.
    if matches!(fields.first()?, &"Z" | &"X") {
        return None;
    }
    fields.get(19).copied()
}

/// Sees to it that no Terraform of an earlier run is at work: it is interrupted and waited for, and killed with its
/// providers if it does not come to an end.
pub async fn end(note: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let Ok(text) = fs::read_to_string(note) else { return Ok(()) };
    let noted = Underway::parse(&text).with_context(|| {
        format!("{} does not say which Terraform was at work: see that none is, and remove it", note.display())
    })?;
    if noted.is_there().await? {
        say(&format!("teardown: a Terraform of the earlier run is at work, process {}; it is told to end", noted.id));
        noted.signal("-INT", &noted.id.to_string()).await?;
        if !noted.is_gone_within(PATIENCE).await? {
            say(&format!("teardown: it has not ended after {} min, and is killed", PATIENCE.as_secs() / 60));
            // It leads the group that its providers are in.
            noted.signal("-KILL", &format!("-{}", noted.id)).await?;
            if !noted.is_gone_within(KILLED).await? {
                bail!("Terraform, process {}, cannot be ended: end it, and then tear down again", noted.id);
            }
        }
    }
    fs::remove_file(note).with_context(|| format!("removing {}", note.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{NOTED, Underway, end, started};
    use crate::aws::programs;

    #[test]
    fn a_note_names_a_process_and_its_start() {
        let noted = Underway { id: 4242, started: "123456".to_owned() };
        assert_eq!(Underway::parse("4242 123456\n"), Some(noted));
        let date = Underway::parse("4242 Thu Nov 26 10:00:00 2026\n").expect("a note");
        assert_eq!(date.started, "Thu Nov 26 10:00:00 2026");
        for bad in ["", "4242", "4242 ", "x 1", "-1 1", "1 1", "0 1"] {
            assert_eq!(Underway::parse(bad), None, "{bad}: it would be a signal to others");
        }
    }

    #[test]
    fn the_start_is_found_whatever_the_program_is_called() {
        let after = "1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 98765 0 0";
        assert_eq!(started(&format!("7 (terra) form) S {after}")), Some("98765"));
        assert_eq!(started(&format!("7 (terraform) Z {after}")), None, "it has ended");
        assert_eq!(started(""), None);
    }

    #[tokio::test]
    async fn what_a_killed_run_left_at_work_is_ended_before_a_teardown() {
        let folder = tempfile::tempdir().expect("a folder");
        let note = folder.path().join("underway");
        let mut command = programs::plain("sh");
        // Asleep in one process, as Terraform is one: an interrupt ends it, also where a shell has its background ignore them.
        let asleep = ["env", "--default-signal=INT", "sleep", "600"];
        let mut child = command.args(["-c", NOTED]).arg(&note).args(asleep).spawn().expect("started");
        let start = std::time::Instant::now();
        while !note.exists() {
            assert!(start.elapsed().as_secs() < 30, "nothing is noted");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let text = fs::read_to_string(&note).expect("a note");
        let noted = Underway::parse(&text).expect("parsed");
        assert_eq!(Some(noted.id), child.id());
        assert!(noted.is_there().await.expect("asked"));
        // What becomes that program may ignore interrupts until it is it.
        while fs::read_to_string(format!("/proc/{}/comm", noted.id)).expect("its name").trim() != "sleep" {
            assert!(start.elapsed().as_secs() < 30, "it does not sleep");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        end(&note, &|_| ()).await.expect("ended");
        assert!(!child.wait().await.expect("waited").success());
        assert!(!note.exists());
        let other = Underway { started: "1".to_owned(), ..noted };
        assert!(!other.is_there().await.expect("asked"));
    }
}
