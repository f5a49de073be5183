//! A relay that loses connections. It simulates a server that disappears in the middle of an answer.
//!
//! Knows only bytes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::servers::MongoDatabase;

/// A relay to a server. It cuts every connection after so many bytes from the server, and all later connections at
/// once.
pub struct Relay {
    /// The server's URI, through the relay.
    pub uri: String,
    bytes_left: Arc<AtomicU64>,
    has_cut: Arc<AtomicBool>,
}

impl Relay {
    /// A relay before the single host of the test's MongoDB.
    pub fn before_mongo(mongo: &MongoDatabase, bytes: u64) -> Self {
        let (scheme, rest) = mongo.uri.split_once("://").expect("an URI");
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        let (user, host) =
            authority.rsplit_once('@').map_or((String::new(), authority), |(user, host)| (format!("{user}@"), host));
        // A relay is before one server, so no other kind of URI can be used here.
        assert!(scheme == "mongodb" && !host.contains(','), "`MONGODB_URI` is to name one host");
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:27017") };
        let (port, bytes_left, has_cut) = Self::start(host, bytes);
        let uri = format!("mongodb://{user}127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=1000");
        Self { uri, bytes_left, has_cut }
    }

    fn start(server: String, bytes: u64) -> (u16, Arc<AtomicU64>, Arc<AtomicBool>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let bytes_left = Arc::new(AtomicU64::new(bytes));
        let left = bytes_left.clone();
        let has_cut = Arc::new(AtomicBool::new(false));
        let cut = has_cut.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(&server) else { continue };
                let (Ok(from_client), Ok(to_server)) = (client.try_clone(), upstream.try_clone()) else { continue };
                let free = Arc::new(AtomicU64::new(u64::MAX));
                thread::spawn(move || pump(from_client, to_server, &free, &AtomicBool::new(false)));
                let (left, cut) = (left.clone(), cut.clone());
                thread::spawn(move || pump(upstream, client, &left, &cut));
            }
        });
        (port, bytes_left, has_cut)
    }

    /// Waits until a connection was cut, or until the time limit.
    pub fn wait_for_cut(&self, limit: Duration) {
        let started = Instant::now();
        while !self.has_cut.load(Ordering::SeqCst) && started.elapsed() < limit {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Passes everything on from now on.
    pub fn mend(&self) {
        self.bytes_left.store(u64::MAX, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, bytes_left: &AtomicU64, has_cut: &AtomicBool) {
    let mut buffer = [0; 4096];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let left = bytes_left.load(Ordering::SeqCst);
        if left < read as u64 {
            has_cut.store(true, Ordering::SeqCst);
            break;
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
        if left != u64::MAX {
            bytes_left.fetch_sub(read as u64, Ordering::SeqCst);
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// A relay to a server that changes what the server sends, at one place.
pub struct MangledRelay {
    /// The server's URI, through the relay, without TLS.
    pub uri: String,
    place: Arc<Mangling>,
}

/// Where and how bytes are changed: the number of bytes from the server before it, in all connections.
#[derive(Default)]
struct Mangling {
    passed: AtomicU64,
    at: AtomicU64,
    seed: AtomicU64,
}

impl MangledRelay {
    /// A relay that changes nothing yet.
    pub fn before(uri: &str) -> Self {
        let (scheme, rest) = uri.split_once("://").expect("an URI");
        let (authority, path) = rest.split_once('/').expect("a path");
        let (user, host) =
            authority.rsplit_once('@').map_or((String::new(), authority), |(user, host)| (format!("{user}@"), host));
        let database = path.split('?').next().unwrap_or(path);
        let parameters = match scheme {
            "mongodb" => "directConnection=true&serverSelectionTimeoutMS=1000",
            _ => "sslmode=disable",
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let place = Arc::new(Mangling { at: AtomicU64::new(u64::MAX), ..Mangling::default() });
        let (shared, server) = (place.clone(), host.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(&server) else { continue };
                let (Ok(from_client), Ok(to_server)) = (client.try_clone(), upstream.try_clone()) else { continue };
                let free = Arc::new(AtomicU64::new(u64::MAX));
                thread::spawn(move || pump(from_client, to_server, &free, &AtomicBool::new(false)));
                let shared = shared.clone();
                thread::spawn(move || shared.pump(upstream, client));
            }
        });
        Self { uri: format!("{scheme}://{user}127.0.0.1:{port}/{database}?{parameters}"), place }
    }

    /// Changes the server's bytes after so many of them, in a way that the seed chooses.
    pub fn mangle_at(&self, at: u64, seed: u64) {
        self.place.seed.store(seed, Ordering::SeqCst);
        self.place.at.store(at, Ordering::SeqCst);
    }
}

impl Mangling {
    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let before = self.passed.fetch_add(read as u64, Ordering::SeqCst);
            let mut bytes = buffer[..read].to_vec();
            if let Some(at) = self.at.load(Ordering::SeqCst).checked_sub(before).filter(|at| *at < read as u64) {
                change(&mut bytes, at as usize, self.seed.load(Ordering::SeqCst));
            }
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = from.shutdown(std::net::Shutdown::Both);
        let _ = to.shutdown(std::net::Shutdown::Both);
    }
}

fn change(bytes: &mut Vec<u8>, at: usize, seed: u64) {
    let value = (seed >> 8) as u8;
    match seed % 6 {
        0 => bytes[at] ^= 1 << (value % 8),
        1 => bytes[at] = value,
        // A length that is far too large.
        2 => {
            let end = bytes.len().min(at + 4);
            bytes[at..end].fill(if value.is_multiple_of(2) { 0x7f } else { 0xff });
        }
        3 => bytes.truncate(at),
        4 => drop(bytes.splice(at..at, std::iter::repeat_n(value, 64))),
        _ => drop(bytes.drain(at..bytes.len().min(at + 8))),
    }
}
