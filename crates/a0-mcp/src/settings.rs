//! The options of a layer.

use std::time::Duration;

use crate::operations::Operations;
use crate::origin::Origin;
use crate::session::Binding;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) operations: Operations,
    pub(crate) origins: Vec<Origin>,
    pub(crate) max_body: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) binding: Binding,
    pub(crate) resumes_streams: bool,
}
