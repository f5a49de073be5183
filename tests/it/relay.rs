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
