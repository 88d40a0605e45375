//! The options that have an async counterpart.

use std::pin::Pin;
use std::sync::Arc;

use a0_discovery::EntryAuthentication;
use a0_discovery::asynchronous::AsyncCacheAdapter;
use a0_dpop::asynchronous::AsyncReplayStore;
use a0_http::AsyncHttpClient;

use crate::error::Error;
use crate::verification::resolver::{Cause, ResolverContext};

use super::builder::{Builder, Replay};

/// The future that an async domains resolver returns. It may borrow from the resolver's context.
pub type ResolverFuture<'c> = Pin<Box<dyn Future<Output = Result<Vec<String>, Cause>> + Send + 'c>>;

pub(crate) type AsyncResolver =
    Arc<dyn for<'c> Fn(&'c ResolverContext<'c>) -> ResolverFuture<'c> + Send + Sync>;

/// The async options that a builder holds.
#[derive(Clone, Default)]
pub(crate) struct AsyncOptions {
    pub(crate) http_client: Option<Arc<dyn AsyncHttpClient>>,
    pub(crate) domains_resolver: Option<AsyncResolver>,
    pub(crate) cache: Option<(Arc<dyn AsyncCacheAdapter>, EntryAuthentication)>,
    pub(crate) replay_store: Option<Arc<dyn AsyncReplayStore>>,
}

impl AsyncOptions {
    pub(crate) fn refuse_in_blocking_client(&self) -> Result<(), Error> {
        refuse_given(
            [
                ("http_client", self.http_client.is_some()),
                ("domains_resolver", self.domains_resolver.is_some()),
                ("cache", self.cache.is_some()),
                ("replay_store", self.replay_store.is_some()),
            ],
            |name| format!("async_{name} is an option of build_async: use {name} with build"),
        )
    }
}

impl Builder {
    pub(crate) fn refuse_blocking_options(&self) -> Result<(), Error> {
        refuse_given(
            [
                ("http_client", self.http_client.is_some()),
                ("domains_resolver", self.domains_resolver.is_some()),
                ("cache", self.cache.is_some()),
                ("replay_store", matches!(self.replay_store, Replay::In(_))),
            ],
            |name| format!("{name} would block an async client: use async_{name}"),
        )
    }

    /// [`http_client`](Builder::http_client) for [`build_async`](Builder::build_async). Defaults to
    /// reqwest.
    pub fn async_http_client(mut self, client: impl AsyncHttpClient + 'static) -> Self {
        self.asynchronous.http_client = Some(Arc::new(client));
        self.local_client = None;
        self
    }

    /// [`domains_resolver`](Builder::domains_resolver) for [`build_async`](Builder::build_async).
    ///
    /// ```
    /// use auth0_api::asynchronous::ApiClient;
    ///
    /// ApiClient::builder()
    ///     .async_domains_resolver(|context| {
    ///         Box::pin(async move {
    ///             // Await a lookup here.
    ///             match context.request_header("x-brand").as_deref() {
    ///                 Some("a") => Ok(vec!["login.brand-a.example".to_owned()]),
    ///                 _ => Err("no brand".into()),
    ///             }
    ///         })
    ///     })
    ///     .audience("https://api.example/")
    ///     .build_async()?;
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn async_domains_resolver<F>(mut self, resolver: F) -> Self
    where
        F: for<'c> Fn(&'c ResolverContext<'c>) -> ResolverFuture<'c> + Send + Sync + 'static,
    {
        self.asynchronous.domains_resolver = Some(Arc::new(resolver));
        self
    }

    /// [`cache`](Builder::cache) for [`build_async`](Builder::build_async).
    pub fn async_cache(
        mut self,
        adapter: impl AsyncCacheAdapter + 'static,
        entries: impl Into<EntryAuthentication>,
    ) -> Self {
        self.asynchronous.cache = Some((Arc::new(adapter), entries.into()));
        self
    }

    /// [`replay_store`](Builder::replay_store) for [`build_async`](Builder::build_async).
    pub fn async_replay_store(mut self, store: impl AsyncReplayStore + 'static) -> Self {
        self.asynchronous.replay_store = Some(Arc::new(store));
        // As with `replay_store`, the last call counts.
        if matches!(self.replay_store, Replay::Off) {
            self.replay_store = Replay::InMemory;
        }
        self
    }
}

fn refuse_given(
    options: [(&str, bool); 4],
    describe: impl Fn(&str) -> String,
) -> Result<(), Error> {
    match options.into_iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(Error::configuration(describe(name))),
        None => Ok(()),
    }
}
