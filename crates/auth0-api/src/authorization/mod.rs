//! Whether a verified token may do what its request asks for. [`policy`] has the rules as values, [`judge`]
//! decides, [`requirements`] is what a challenge asks for, [`resource_server`] has the settings of the API.

mod denial;
mod judge;
pub(crate) mod policy;
pub(crate) mod principal;
mod requirements;
pub(crate) mod resource_server;
mod token;

pub use denial::{DeniedBy, PolicyPanicked, StepUp};
