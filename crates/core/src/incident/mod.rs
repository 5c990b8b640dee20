//! The life of an Incident, as decisions. [`decide`] takes a [`view`] and gives the next status with its effects; it has rooms of
//! its own, [`builds`], [`start`] (of one, and the wait for it) and [`permit`] (the gate), its moves in [`transition`], and what
//! a failed call leads to in [`trouble`]. [`evidence`] says which Incidents are about the same change, [`around`] what the others
//! mean for one. [`word`] is what people decide without a look at AWS, [`fences`] stand before an effect, [`order`] is what a
//! build is started with, [`pace`] how often AWS is asked. [`compact`] is what is kept of what has ended.

pub mod around;
pub mod builds;
pub mod compact;
pub mod decide;
pub mod evidence;
pub mod fences;
#[cfg(test)]
mod fixture;
pub mod order;
pub mod pace;
pub mod permit;
pub mod start;
pub mod transition;
pub mod trouble;
pub mod view;
pub mod word;
