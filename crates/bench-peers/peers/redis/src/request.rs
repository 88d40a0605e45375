//! The latency of a request with a proof: one route has a replay store in memory, one in Redis.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use a0_redis::{RedisBuilder, WhenAway};
use a0_testkit::{LocalTenant, ProofKey};
use a0_tower::Auth;
use auth0_api::Builder;
use auth0_api::asynchronous::ApiClient;
use axum::Router;
use axum::routing::get;

use crate::Failure;
use crate::server::Server;

const AUDIENCE: &str = "https://api.example/";
const ROUTES: [&str; 2] = ["/memory", "/redis"];

/// Requests to each route.
const REQUESTS: usize = 10_000;

/// Requests before the measured ones.
const WARM: usize = 500;

pub(crate) fn latencies(server: &Server) -> Result<(), Failure> {
    let tenant = LocalTenant::new("tenant.example")?;
    let key = ProofKey::generate()?;
    let token = tenant.access_token().audience(AUDIENCE).bound_to(&key);
    let token = token.expires_in(86_400).mint()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let options = || -> Builder {
        let handle = tenant.client();
        ApiClient::builder()
            .domain(tenant.domain())
            .audience(AUDIENCE)
            .public_url("https://api.example")
            .async_http_client(move |request| {
                let handle = handle.clone();
                async move { handle(request) }
            })
    };
    let replay = RedisBuilder::new(server.url()).time_limit(Duration::from_secs(5));
    let replay = replay.async_replay_store(WhenAway::Refuse)?;
    let memory = Auth::new(options().build_async()?);
    let redis = Auth::new(options().async_replay_store(replay).build_async()?);
    let handler = || get(|| async { "orders" });
    let router = Router::new()
        .route(ROUTES[0], handler().route_layer(memory))
        .route(ROUTES[1], handler().route_layer(redis));
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
    let address = listener.local_addr()?;
    runtime.spawn(async move { axum::serve(listener, router).await });

    let mut client = Client::connect(address)?;
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..WARM + REQUESTS {
        for (route, times) in ROUTES.iter().zip(&mut times) {
            let url = format!("https://api.example{route}");
            let proof = key.proof("GET", &url).for_token(&token).mint()?;
            let time = client.get(route, &token, &proof)?;
            if number >= WARM {
                times.push(time.as_secs_f64() * 1e6);
            }
        }
    }
    println!("\n| a request with a proof, over loopback | p50, us | p99, us |");
    println!("|---|---|---|");
    let [memory, redis] = times.map(|times| [0.5, 0.99].map(|part| quantile(times.clone(), part)));
    for (name, [half, most]) in [("replay store in memory", memory), ("in Redis", redis)] {
        println!("| {name} | {half:.0} | {most:.0} |");
    }
    let [half, most] = [redis[0] - memory[0], redis[1] - memory[1]];
    println!("| added | {half:.0} | {most:.0} |");
    Ok(())
}

fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * part) as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// One connection that stays open.
struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Client { stream, reader })
    }

    fn get(&mut self, path: &str, token: &str, proof: &str) -> Result<Duration, Failure> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: api.example\r\nauthorization: DPoP {token}\r\ndpop: {proof}\r\n\r\n"
        );
        let began = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let (mut length, mut line) = (0, String::new());
        let mut is_first = true;
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            if is_first && !line.starts_with("HTTP/1.1 200") {
                return Err(format!("the route refused a request: {line}").into());
            }
            is_first = false;
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        self.reader.read_exact(&mut vec![0; length])?;
        Ok(began.elapsed())
    }
}
