//! Whether a verified token may do what its request asks for. [`policy`] has the rules as values, [`check`]
//! applies each to a token, and [`judge`] combines the results. [`requirements`] is what a challenge asks
//! for, [`resource_server`] has the settings of the API. [`principal`] tells the kinds of subjects apart, and
//! [`details`] reads `authorization_details`.

mod check;
mod denial;
mod details;
mod judge;
pub(crate) mod policy;
pub(crate) mod principal;
mod requirements;
pub(crate) mod resource_server;
mod token;

pub use denial::{DeniedBy, PolicyPanicked, StepUp};
