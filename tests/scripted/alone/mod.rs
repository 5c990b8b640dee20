//! What all share, changed: the operator killed, or run with other settings; AWS away, or late;
//! admission weakened.

mod admission;
mod delivery;
mod killed;
