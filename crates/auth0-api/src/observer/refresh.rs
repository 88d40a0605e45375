//! Watches the refreshes of keys in a0-discovery.

use std::sync::Arc;

use a0_discovery::{Issuer, RefreshEnd, RefreshObserver, RefreshSpan};

use crate::error::reason;

use super::event::{Event, KeysRefresh, RefreshResult, Work, issuer_host};
use super::telemetry::Telemetry;
use super::watch::Watch;

/// Passes what a key cache tells on to the observers of a client.
pub(crate) struct Refreshes(pub(crate) Arc<Telemetry>);

impl RefreshObserver for Refreshes {
    fn begin(&self, issuer: &Issuer) -> Box<dyn RefreshSpan> {
        let issuer_host = issuer_host(issuer);
        let watch = Watch::begin(Arc::clone(&self.0), &Work::KeysRefresh { issuer_host });
        Box::new(Refresh {
            watch: Some(watch),
            issuer_host: issuer_host.to_owned(),
        })
    }
}

struct Refresh {
    /// `None` once the refresh has ended.
    watch: Option<Watch<Arc<Telemetry>>>,
    issuer_host: String,
}

impl RefreshSpan for Refresh {
    fn enter(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.enter();
        }
    }

    fn exit(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.exit();
        }
    }

    fn end(mut self: Box<Self>, end: &RefreshEnd) {
        let result = match &end.error {
            Some(_) => RefreshResult::Failed,
            None if end.asked_issuer => RefreshResult::Fetched,
            None if end.keys_age.is_some() => RefreshResult::Shared,
            None => RefreshResult::Unchanged,
        };
        let reason = end.error.as_ref();
        let reason = reason.map(|error| reason::of_fetch(error.failure()));
        self.tell(result, reason, end);
    }
}

impl Refresh {
    fn tell(&mut self, result: RefreshResult, reason: Option<&'static str>, end: &RefreshEnd) {
        let Some(watch) = self.watch.take() else {
            return;
        };
        watch
            .telemetry()
            .count_refresh(result, end.refused_entries.len());
        let duration = watch.elapsed();
        watch.end(&Event::KeysRefresh(KeysRefresh {
            issuer_host: &self.issuer_host,
            result,
            reason,
            keys_age: end.keys_age,
            refused_entries: &end.refused_entries,
            duration,
        }));
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        self.tell(
            RefreshResult::Abandoned,
            Some("keys_abandoned"),
            &RefreshEnd::default(),
        );
    }
}
