//! From options to a client for async callers, and the options that only such a client takes.

use std::sync::Arc;

use a0_discovery::asynchronous::{AsyncCacheAdapter, KeyCache, Task};
use a0_dpop::InMemoryReplayStore;
use a0_dpop::asynchronous::AsyncReplayStore;
use a0_http::{AsyncHttpClient, ReqwestClient};
use a0_single_flight::Timer;

use crate::async_options::ResolverFuture;
use crate::asynchronous::{ApiClient, AsyncSettings};
use crate::builder::{Builder, Replay};
use crate::error::Error;
use crate::verification::issuers::ResolverContext;

impl Builder {
    /// Makes a client for async callers (feature `async`). Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// As [`build`](Builder::build); and `Configuration` for `http_client`, `domains_resolver`, `cache`
    /// and `replay_store`, which would block: they have twins for async callers. `build` refuses
    /// those.
    pub fn build_async(self) -> Result<ApiClient, Error> {
        for (name, is_given) in [
            ("http_client", self.http_client.is_some()),
            ("domains_resolver", self.domains_resolver.is_some()),
            ("cache", self.cache.is_some()),
            ("replay_store", matches!(self.replay_store, Replay::In(_))),
        ] {
            if is_given {
                return Err(Error::configuration(format!(
                    "{name} would block an async client: give async_{name}"
                )));
            }
        }
        let options = self.asynchronous.clone();
        let parts = self.parts(options.domains_resolver)?;
        let http_client = options.http_client.unwrap_or_else(|| {
            let client = ReqwestClient::builder();
            Arc::new(match self.timeout {
                Some(timeout) => client.timeout(timeout).build(),
                None => client.build(),
            })
        });
        let clock = Arc::clone(&self.clock);
        let timer = Timer::default();
        let of_keys = timer.clone();
        let mut keys = KeyCache::builder(parts.fetch_rules, Arc::clone(&http_client))
            .policy(parts.policy)
            .clock(move || clock())
            .sleep(move |duration| of_keys.sleep(duration));
        if let Some(adapter) = options.cache {
            keys = keys.async_adapter(adapter);
        }
        let replay_store = match (self.replay_store, options.replay_store) {
            (Replay::Off, _) => None,
            (_, Some(store)) => Some(store),
            (_, None) => {
                Some(Arc::new(InMemoryReplayStore::default()) as Arc<dyn AsyncReplayStore>)
            }
        };
        Ok(ApiClient::from_settings(AsyncSettings {
            verifier: parts.verifier,
            keys: keys.build_async(spawn),
            replay_store,
            flows: parts.flows,
            http_client,
            timer,
        }))
    }

    /// [`http_client`](Builder::http_client) for [`build_async`](Builder::build_async): what carries
    /// every request, in place of reqwest.
    pub fn async_http_client(mut self, client: impl AsyncHttpClient + 'static) -> Self {
        self.asynchronous.http_client = Some(Arc::new(client));
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
    ///             // A lookup that awaits would stand here.
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
    pub fn async_cache(mut self, adapter: impl AsyncCacheAdapter + 'static) -> Self {
        self.asynchronous.cache = Some(Arc::new(adapter));
        self
    }

    /// [`replay_store`](Builder::replay_store) for [`build_async`](Builder::build_async).
    pub fn async_replay_store(mut self, store: impl AsyncReplayStore + 'static) -> Self {
        self.asynchronous.replay_store = Some(Arc::new(store));
        self
    }
}

/// Outside of the runtime the caller fetches by itself.
fn spawn(task: Task) -> Option<Task> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(task);
            None
        }
        Err(_) => Some(task),
    }
}
