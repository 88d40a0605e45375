//! Protected resource metadata (RFC 9728): what the API tells clients about itself. [`options`] has what the
//! API says, [`derive`] adds what follows from the options of the client, [`document`] is the finished document,
//! [`location`] where it is served.

mod derive;
pub(crate) mod document;
pub(crate) mod location;
pub(crate) mod options;
