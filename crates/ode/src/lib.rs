//! Ordinary differential equations in ensembles: many trajectories of one system, with initial
//! states and parameters of their own.
//!
//! A [`System`] is a right-hand side over [`Lanes`], a few trajectories at a time. [`solve()`] takes
//! an [`Ensemble`] of any size and gives each trajectory its states at the times asked for and a
//! [`Status`] of its own: one that diverges does not spoil the others. [`FAMILIES`] are the systems
//! of the FMint paper; a [`TextSystem`] is anybody's, and may leave its evaluation to a
//! [`Program`].

pub mod correct;
pub mod demos;
pub mod dynamics;
pub mod ensemble;
pub mod error;
pub mod event;
pub mod families;
pub mod lanes;
pub mod measure;
pub mod program;
pub mod ranges;
pub mod slowed;
pub mod solve;
pub mod system;
pub mod text;

pub use correct::{Corrected, Corrector, Demos, Grid, learn};
pub use demos::{Protocol, Task, Tasks};
pub use dynamics::Dynamics;
pub use ensemble::{Ensemble, Solution, Status};
pub use error::{Error, Result};
pub use families::{FAMILIES, Family};
pub use lanes::{LANES, Lanes};
pub use program::Program;
pub use ranges::{Members, Ranges};
pub use slowed::Slowed;
pub use solve::{Method, Scheme, Tolerance, solve};
pub use system::{State, System};
pub use text::TextSystem;
