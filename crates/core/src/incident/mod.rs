//! The life of an Incident, as decisions. [`needs`] says what must be looked at; [`decide`] takes the [`view`] of it and gives the
//! next status with its effects. Each [`step`] is a file, and what several share is in [`builds`] and [`start`] (of one, and the
//! wait for it); their moves are in [`transition`], and what a failed call leads to in [`trouble`]. [`evidence`] says which
//! Incidents are about the same change, [`around`] what the others mean for one. [`word`] is what people decide without a look at
//! AWS, [`fences`] stand before an effect, [`order`] is what a build is started with, [`subject`] what AWS is asked about after
//! it, [`pace`] how often. [`compact`] is what is kept of what has ended.

pub mod around;
pub mod builds;
pub mod compact;
pub mod decide;
pub mod evidence;
pub mod fences;
#[cfg(test)]
mod fixture;
pub mod needs;
pub mod order;
pub mod pace;
pub mod start;
pub mod step;
pub mod subject;
pub mod transition;
pub mod trouble;
pub mod view;
pub mod word;
