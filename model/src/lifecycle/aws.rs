//! CodeBuild, the apply build's own checks, and CloudTrail, which tells of what it did.

use reforge_core::index::Work;
use reforge_core::index::own::{Ours, own_build};

use reforge_api::BuildKind;

use super::flaw::Flaw;
use super::operator::Rules;
use super::view::{address, build_id, digest, now};
use super::world::{Build, BuildProgress, INCIDENTS, World, Wrong};

impl Rules {
    /// CodeBuild runs one apply of a project at a time, and Terraform's lock lets no other work on the state.
    pub fn must_queue(&self, world: &World, index: usize) -> bool {
        let applying = |(i, b): (usize, &Build)| i != index && b.state == BuildProgress::Applying;
        self.flaw != Some(Flaw::IgnoresTheWorkspace) && world.builds.iter().enumerate().any(applying)
    }

    /// A build goes on: a plan publishes, an apply claims its digest and works, then ends.
    pub fn build(&self, world: &mut World, index: usize) {
        let build = world.builds[index].clone();
        let ended = match (build.kind, &build.plan) {
            (BuildKind::Apply, Some((plan, digest))) => self.apply(world, index, *plan, digest),
            _ => {
                let wanted = |i: &usize| build.targets.is_empty() || build.targets.contains(&address(*i));
                let changes = (0..INCIDENTS).filter(|i| world.lost[*i]).filter(wanted).collect();
                BuildProgress::Succeeded(changes, world.serial)
            }
        };
        world.builds[index].state = ended;
    }

    fn apply(&self, world: &mut World, index: usize, plan: usize, digest_of_order: &str) -> BuildProgress {
        let BuildProgress::Succeeded(changes, serial) = world.builds[plan].state.clone() else {
            return BuildProgress::Failed(Some("DigestMismatch"));
        };
        if world.builds[index].state == BuildProgress::Applying {
            for i in &changes {
                world.lost[*i] = false;
            }
            world.serial += 1;
            world.echoes.insert(index);
            return BuildProgress::Succeeded(changes, world.serial);
        }
        if digest(plan, &changes, serial).as_str() != digest_of_order {
            return BuildProgress::Failed(Some("DigestMismatch"));
        }
        let claims = world.builds.iter().enumerate().filter(|(i, b)| {
            *i != index
                && b.plan.as_ref().is_some_and(|(_, d)| d == digest_of_order)
                && b.state != BuildProgress::Queued
        });
        if claims.count() > 0 && self.flaw != Some(Flaw::StartsTwice) {
            return BuildProgress::Failed(Some("AlreadyClaimed"));
        }
        if serial != world.serial && self.flaw != Some(Flaw::StartsTwice) {
            return BuildProgress::Failed(Some("StalePlan"));
        }
        let incident = world.builds[index].incident;
        let mut wrongs = Vec::new();
        if world.builds.iter().any(|b| b.state == BuildProgress::Applying) {
            wrongs.push(Wrong::Overlapped);
        }
        let worked_before = world.builds.iter().enumerate().any(|(i, b)| {
            let worked = matches!(b.state, BuildProgress::Applying | BuildProgress::Succeeded(..));
            i != index && worked && b.plan.as_ref().is_some_and(|(_, d)| d == digest_of_order)
        });
        if worked_before {
            wrongs.push(Wrong::Repeated);
        }
        // What is touched must be the Incident's own, for it alone was cleared for this digest.
        if changes.iter().any(|i| *i != incident) {
            wrongs.push(Wrong::Uncleared);
        }
        world.seen.wrongs.extend(wrongs);
        BuildProgress::Applying
    }

    /// The call of a recovery comes back as an event.
    pub fn echo(&self, world: &mut World, build: usize) -> Option<()> {
        let works: Vec<Work> = world.incidents.iter().flatten().map(|i| Work::from(&i.status)).collect();
        let ours = match self.flaw {
            Some(Flaw::ForgetsItsBuilds) => Ours::No,
            _ => own_build(works.iter(), build_id(build).rsplit(':').next().unwrap_or_default(), now(world)),
        };
        match ours {
            Ours::NotYetKnown => return None,
            Ours::Yes => {}
            Ours::No => {
                world.seen.wrongs.insert(Wrong::Echoed);
            }
        }
        world.echoes.remove(&build);
        Some(())
    }
}
