//! Text that is shown to nobody and wiped from memory.
//!
//! It has no `Debug`, so that none can be derived for what holds it.

use zeroize::Zeroizing;

#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}
