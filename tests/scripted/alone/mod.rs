//! What all share, changed: the operator killed, or run with other settings; AWS away, refusing, late; admission weakened.

mod admission;
mod calls;
mod delivery;
mod killed;
mod model;
