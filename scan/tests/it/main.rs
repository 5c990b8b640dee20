//! What must hold of a scan, seen from outside.

mod broken;
mod forms;
mod meaning;
mod reference;
mod same;
