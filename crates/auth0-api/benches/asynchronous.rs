//! The time of a verification with cached keys: with the blocking client, with the async client, and with
//! the blocking client through `spawn_blocking`. The rounds alternate, and the results are medians.
//!
//! `cargo bench -p auth0-api --features async --bench asynchronous`

use std::future::ready;
use std::hint::black_box;
use std::time::Instant;

use a0_testkit::LocalTenant;
use auth0_api::{ApiClient, asynchronous};

const AUDIENCE: &str = "https://api.example/";
const ROUNDS: usize = 400;
const BATCH: u32 = 64;

fn main() {
    let tenant = LocalTenant::new("tenant.example").expect("a tenant");
    let blocking = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .http_client(tenant.client())
        .build()
        .expect("a client");
    let handle = tenant.client();
    let client = asynchronous::ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .async_http_client(move |request| ready(handle(request)))
        .build_async()
        .expect("a client");
    let token = tenant.access_token().audience(AUDIENCE).expires_in(86_400);
    let token = token.mint().expect("a token");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");

    let verify = |client: &ApiClient| {
        let verified = client.verify_access_token(black_box(&token));
        black_box(verified.expect("a valid token"));
    };
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        times[0].push(per_call(|| (0..BATCH).for_each(|_| verify(&blocking))));
        times[1].push(per_call(|| {
            runtime.block_on(async {
                for _ in 0..BATCH {
                    let verified = client.verify_access_token(black_box(&token)).await;
                    black_box(verified.expect("a valid token"));
                }
            });
        }));
        times[2].push(per_call(|| {
            runtime.block_on(async {
                for _ in 0..BATCH {
                    let (client, token) = (blocking.clone(), token.clone());
                    let call = move || client.verify_access_token(&token).expect("a valid token");
                    black_box(tokio::task::spawn_blocking(call).await.expect("a thread"));
                }
            });
        }));
    }
    println!("{ROUNDS} rounds of {BATCH} verifications; microseconds are medians");
    println!("{:<44}{:>10}{:>8}", "", "us", "ratio");
    let medians = times.each_mut().map(|times| median(times));
    let names = [
        "blocking client, on its own thread",
        "async client",
        "blocking client, through spawn_blocking",
    ];
    for (name, median) in names.iter().zip(medians) {
        let (microseconds, ratio) = (median * 1e6, median / medians[0]);
        println!("{name:<44}{microseconds:>10.2}{ratio:>8.3}");
    }
}

fn per_call(batch: impl FnOnce()) -> f64 {
    let start = Instant::now();
    batch();
    start.elapsed().as_secs_f64() / f64::from(BATCH)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
