//! The options that are of another kind for async callers.

use std::pin::Pin;
use std::sync::Arc;

use a0_discovery::asynchronous::AsyncCacheAdapter;
use a0_dpop::asynchronous::AsyncReplayStore;
use a0_http::AsyncHttpClient;

use crate::error::Error;
use crate::verification::issuers::{Cause, ResolverContext};

/// What an async domains resolver gives: a future that borrows what it was shown.
pub type ResolverFuture<'c> = Pin<Box<dyn Future<Output = Result<Vec<String>, Cause>> + Send + 'c>>;

pub(crate) type AsyncResolver =
    Arc<dyn for<'c> Fn(&'c ResolverContext<'c>) -> ResolverFuture<'c> + Send + Sync>;

/// The options that are of another kind for async callers, as [`Builder`] holds them.
#[derive(Clone, Default)]
pub(crate) struct AsyncOptions {
    pub(crate) http_client: Option<Arc<dyn AsyncHttpClient>>,
    pub(crate) domains_resolver: Option<AsyncResolver>,
    pub(crate) cache: Option<Arc<dyn AsyncCacheAdapter>>,
    pub(crate) replay_store: Option<Arc<dyn AsyncReplayStore>>,
}

impl AsyncOptions {
    /// For a client that blocks.
    pub(crate) fn refuse(&self) -> Result<(), Error> {
        for (name, is_given) in [
            ("http_client", self.http_client.is_some()),
            ("domains_resolver", self.domains_resolver.is_some()),
            ("cache", self.cache.is_some()),
            ("replay_store", self.replay_store.is_some()),
        ] {
            if is_given {
                return Err(Error::configuration(format!(
                    "async_{name} is for build_async: give {name}"
                )));
            }
        }
        Ok(())
    }
}
