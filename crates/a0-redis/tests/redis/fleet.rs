//! Many processes that share the keys of a tenant through a real server. Their clock is injected; that
//! of the server is not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, UNIX_EPOCH};

use a0_discovery::{
    CachePolicy, EntryKeys, FetchRules, Issuer, KeyCache, Refresh, normalize_domain,
};
use a0_jose::{Algorithm, NumericDate};
use a0_redis::RedisBuilder;
use a0_testkit::{Endpoint, LocalTenant};

use crate::servers::Server;
use crate::stores::PATIENT;

const START: u64 = 1_700_000_000;

struct Fleet {
    tenant: LocalTenant,
    issuer: Issuer,
    second: Arc<AtomicU64>,
    processes: Vec<KeyCache>,
}

impl Fleet {
    fn new(server: &Server, count: usize) -> Self {
        let tenant = LocalTenant::new("a.example").unwrap();
        tenant.cache_control(Some("max-age=15"));
        let mut policy = CachePolicy::default();
        policy.refresh = Refresh::Inline;
        policy.min_ttl = Duration::ZERO;
        let second = Arc::<AtomicU64>::default();
        let redis = RedisBuilder::new(server.url())
            .prefix(format!("{count}:"))
            .time_limit(PATIENT);
        let process = |_| {
            let (second, tenant) = (Arc::clone(&second), tenant.clone());
            let client = move |request| tenant.handle(request);
            KeyCache::builder(FetchRules::new([Algorithm::Rs256]), Arc::new(client))
                .policy(policy)
                .clock(move || {
                    UNIX_EPOCH + Duration::from_secs(START + second.load(Ordering::SeqCst))
                })
                .adapter(
                    redis.clone().cache().unwrap(),
                    EntryKeys::new([7; 32]).unwrap(),
                )
                .build()
        };
        let processes = (0..count).map(process).collect();
        let issuer = normalize_domain(tenant.domain()).unwrap();
        Fleet {
            tenant,
            issuer,
            second,
            processes,
        }
    }

    fn go_to(&self, second: u64) -> NumericDate {
        self.second.store(second, Ordering::SeqCst);
        NumericDate::from_unix_seconds((START + second).try_into().unwrap())
    }

    fn requests(&self) -> usize {
        let count = |endpoint| self.tenant.request_count(endpoint);
        count(Endpoint::Discovery) + count(Endpoint::Jwks)
    }

    /// Lets all processes act at the same time.
    fn at_once(&self, act: impl Fn(&KeyCache) + Sync) {
        let start = Barrier::new(self.processes.len());
        std::thread::scope(|scope| {
            for process in &self.processes {
                scope.spawn(|| {
                    start.wait();
                    act(process);
                });
            }
        });
    }

    /// Ten minutes with a request every ten seconds to each process, and a rotation of keys.
    fn ten_minutes(&self) -> usize {
        for second in (0..=600).step_by(10) {
            let now = self.go_to(second);
            self.at_once(|process| {
                process.keys(&self.issuer, now).unwrap();
            });
        }
        let before = self.requests();
        let kid = self.tenant.rotate_keys().unwrap();
        let now = self.go_to(605);
        self.at_once(|process| {
            let keys = process
                .keys_with(&self.issuer, &kid, Algorithm::Rs256, now)
                .unwrap();
            assert!(keys.keys().contains_key_id(&kid));
        });
        let of_rotation = self.requests() - before;
        assert_eq!(of_rotation, 1, "one search brings the new key to all");
        self.requests()
    }
}

#[test]
fn a_hundred_processes_over_redis_cost_what_one_costs() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let one = Fleet::new(&server, 1).ten_minutes();
    let hundred = Fleet::new(&server, 100).ten_minutes();
    println!("requests of one process and of a hundred: {one} and {hundred}");
    assert!(hundred * 10 <= one * 12, "{one} and {hundred}");
}
