//! A real control plane (etcd, kube-apiserver) and an emulated AWS on one machine.
//!
//! [`parts`] are had once and kept in a cache; [`ControlPlane`] and [`Aws`] start them in a folder of their own on free
//! loopback ports, and end them when they are dropped, or when the process that started them dies.

mod aws;
pub mod bare;
pub mod chaos;
pub mod chart;
mod control_plane;
mod crowd;
pub mod edge;
mod emulated;
mod front;
mod git;
pub mod incident;
mod incidents;
mod install;
mod installed;
mod member;
mod operator;
pub mod parts;
pub mod platform;
mod process;
pub mod rights;
pub mod scenario;
pub mod stretches;
mod warm_cli;

pub use aws::Aws;
pub use bare::Bare;
pub use control_plane::ControlPlane;
pub use crowd::Crowd;
pub use edge::BuildInfo;
pub use emulated::Emulated;
pub use front::Front;
pub use git::GitServer;
pub use incidents::{Incidents, StillNot, name_of};
pub use install::{
    ACCOUNT, Caller, NAMESPACE, Outputs, PLATFORM, REGION, Sandbox, Setup, WORKSPACES, copy_terraform, stage, tail,
    zip_folder,
};
pub use installed::{Installed, Namespace, Programs, user_name};
pub use member::{ELSEWHERE, MEMBER, MEMBER_POLICY};
pub use operator::{Launch, Operator, get};
pub use process::Process;
