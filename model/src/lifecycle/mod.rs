//! The life of two Incidents in one Terraform workspace.

mod act;
mod aws;
mod flaw;
mod happening;
mod judge;
mod operator;
mod properties;
mod view;
mod world;

use std::collections::BTreeSet;

use reforge_api::FaultClass;
use stateright::{Model, Property};

use crate::explore::Small;
use flaw::Flaw;
use happening::Happening;
use operator::Rules;
use view::Stage;
use world::{Budget, INCIDENTS, Replica, Seen, World};

/// One kind of trouble, so that each can be gone into deeply.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// What it is called.
    name: &'static str,
    /// How many replicas believe to lead.
    replicas: usize,
    /// How often each event is delivered.
    deliveries: [u8; INCIDENTS],
    /// Whether the policies have a window.
    has_window: bool,
    /// How AWS answers where it does not as it should.
    fault: FaultClass,
    /// What goes wrong.
    budget: Budget,
    /// The broken variants that are to be seen in it.
    flaws: &'static [Flaw],
}

/// The lifecycle, with a trouble.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    rules: Rules,
    trouble: Trouble,
}

const QUIET: Trouble = Trouble {
    name: "nothing",
    replicas: 1,
    deliveries: [1, 1],
    has_window: false,
    fault: FaultClass::Throttled,
    budget: Budget {
        crashes: 0,
        failures: 0,
        ticks: 0,
        foreign: 0,
        edits: 0,
        deletions: 0,
        approvals: 1,
        denials: 0,
        holds: 0,
        faults: 0,
    },
    flaws: &[],
};

/// The runs.
fn troubles() -> Vec<Trouble> {
    use Flaw as F;
    let quiet = QUIET.budget;
    let with = |name, flaws, budget| Trouble { name, budget, flaws, ..QUIET };
    // One Incident alone, which goes by itself: fewer states, and more of what can come between.
    let alone = |trouble| Trouble { deliveries: [1, 0], ..trouble };
    let unasked = Budget { approvals: 0, ..quiet };
    vec![
        Trouble {
            flaws: &[
                F::SkipsTheGate,
                F::ExplainsEverything,
                F::IgnoresTheWorkspace,
                F::ForgetsItsBuilds,
                F::WaitsInSilence,
                F::Reopens,
            ],
            ..QUIET
        },
        Trouble { replicas: 2, ..with("two leaders", &[F::WritesWithoutVersion], Budget { ticks: 1, ..quiet }) },
        Trouble {
            deliveries: [2, 1],
            ..with("killed twice, an event delivered twice", &[], Budget { crashes: 2, ..quiet })
        },
        with("killed, tokens expire", &[F::StartsTwice], Budget { crashes: 1, ticks: 1, ..quiet }),
        with("builds fail", &[], Budget { failures: 2, ticks: 2, ..quiet }),
        with(
            "somebody else applies, a policy is edited",
            &[F::TrustsOldPolicies],
            Budget { foreign: 1, edits: 1, approvals: 2, ..quiet },
        ),
        with(
            "killed, a policy is deleted, a plan denied",
            &[F::TrustsOldClearance],
            Budget { crashes: 1, deletions: 1, denials: 1, ..quiet },
        ),
        Trouble { deliveries: [0, 1], ..with("people are late", &[], Budget { ticks: 4, crashes: 1, ..quiet }) },
        alone(with(
            "killed between a try and its start, a plan denied",
            &[F::DeniesAtTheGateOnly],
            Budget { crashes: 1, ticks: 1, denials: 1, ..unasked },
        )),
        alone(with(
            "killed, work put on hold",
            &[F::IgnoresHolds, F::TrustsOldHolds],
            Budget { crashes: 1, ticks: 1, holds: 2, ..unasked },
        )),
        Trouble {
            has_window: true,
            ..alone(with(
                "a window closes and opens",
                &[F::IgnoresWindows, F::StartsLate],
                Budget { ticks: 2, ..unasked },
            ))
        },
        alone(with("AWS wants fewer calls", &[F::HurriesFaults], Budget { ticks: 2, faults: 2, ..unasked })),
        Trouble {
            fault: FaultClass::Denied,
            ..alone(with(
                "AWS refuses calls, work put on hold",
                &[],
                Budget { ticks: 1, faults: 2, holds: 2, ..unasked },
            ))
        },
        Trouble {
            fault: FaultClass::Transient,
            ..alone(with(
                "AWS does not answer, a plan denied",
                &[F::TakesSilenceForNo, F::DeniesWithoutLooking],
                Budget { ticks: 1, faults: 2, denials: 1, ..unasked },
            ))
        },
        Trouble {
            fault: FaultClass::Transient,
            replicas: 2,
            ..with(
                "two leaders, AWS does not answer, work put on hold",
                &[],
                Budget { ticks: 2, faults: 2, holds: 1, ..quiet },
            )
        },
    ]
}

impl Model for Lifecycle {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            ticks: 0,
            incidents: [None, None],
            policies: [Some(1), Some(1)],
            deliveries: self.trouble.deliveries,
            replicas: vec![Replica::Idle; self.trouble.replicas],
            lease: None,
            builds: Vec::new(),
            lost: [true, true],
            serial: 1,
            hold: false,
            aws: None,
            echoes: BTreeSet::new(),
            budget: self.trouble.budget,
            seen: Seen::default(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Happening>) {
        self.rules.happenings(world, actions);
    }

    fn next_state(&self, world: &World, what: Happening) -> Option<World> {
        self.rules.after(world, &what)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Small for Lifecycle {
    const NAME: &'static str = "lifecycle";
    const IS_WHOLE: bool = false;

    fn runs() -> Vec<Self> {
        troubles().into_iter().map(|trouble| Self::with(None, trouble)).collect()
    }

    fn trouble(&self) -> &'static str {
        self.trouble.name
    }

    fn variants(&self) -> Vec<(String, Self)> {
        let variant = |flaw: &Flaw| (format!("{flaw:?}"), Self::with(Some(*flaw), self.trouble));
        self.trouble.flaws.iter().map(variant).collect()
    }

    fn describe(world: &World) -> String {
        let incidents = world.incidents.iter().flatten().map(|stored| {
            let status = &stored.status;
            let said = status.conditions.iter().map(|c| format!("{}={:?} {}", c.r#type, c.status, c.reason));
            format!("{:?} {:?} [{}]", status.phase, status.step, said.collect::<Vec<_>>().join(", "))
        });
        incidents.collect::<Vec<_>>().join(" | ")
    }
}

impl Lifecycle {
    fn with(flaw: Option<Flaw>, trouble: Trouble) -> Self {
        let rules = Rules { stage: Stage::new(trouble.has_window), fault: trouble.fault, flaw };
        Self { rules, trouble }
    }
}
