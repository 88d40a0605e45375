//! Name lookups for reqwest, on threads of our own: tokio's lookup panics if no thread can be
//! spawned.

use std::io;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::oneshot;

use crate::name_lookup;

pub(super) struct ThreadResolver;

impl Resolve for ThreadResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (sender, receiver) = oneshot::channel();
        // The port is a placeholder, which reqwest replaces.
        let spawned = name_lookup::spawn((name.as_str().to_owned(), 0), move |result| {
            // The receiver is gone if the exchange was dropped.
            let _ = sender.send(result);
        });
        Box::pin(async {
            spawned?;
            let addresses = receiver.await.map_err(io::Error::other)??;
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
