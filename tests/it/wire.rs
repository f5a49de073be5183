//! A relay before a server. It reads the messages of the protocol, counts round trips, and can cut a connection before or
//! after each message.
//!
//! Knows the framing of Postgres (<https://www.postgresql.org/docs/current/protocol-message-formats.html>), MySQL
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>) and MongoDB
//! (<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>), without TLS.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Enough for a message with the statements of several tables.
const TEXT_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Postgres,
    Mysql,
    Mongo,
}

/// One message between client and server.
#[derive(Debug, Clone)]
pub struct Message {
    pub from: Side,
    /// Its type byte in Postgres (0 for the startup packet), its first byte in MySQL, 0 in MongoDB.
    pub tag: u8,
    /// The beginning of its content, if it is text.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Pass,
    /// The connection ends, and the message never arrives.
    CutBefore,
    /// The message arrives, and the connection ends.
    CutAfter,
}

type Judge = Box<dyn FnMut(&Message) -> Fate + Send>;

/// Relays until the test's end.
pub struct Wire {
    pub uri: String,
    judge: Arc<Mutex<Judge>>,
    trips: Arc<AtomicUsize>,
}

impl Wire {
    /// A relay before the single server of a URI. The URI's parameters are replaced by ones that disable TLS and
    /// compression.
    pub fn before(uri: &str) -> Self {
        let (scheme, rest) = uri.split_once("://").expect("an URI");
        let (protocol, parameters) = match scheme {
            "mysql" => (Protocol::Mysql, "ssl-mode=disabled"),
            "mongodb" => (Protocol::Mongo, "directConnection=true"),
            _ => (Protocol::Postgres, "sslmode=disable"),
        };
        let (authority, path) = rest.split_once('/').expect("a path");
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (format!("{user}@"), host),
            None => (String::new(), authority),
        };
        let database = path.split('?').next().unwrap_or(path);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let pass: Judge = Box::new(|_| Fate::Pass);
        let judge = Arc::new(Mutex::new(pass));
        let (shared, server) = (judge.clone(), host.to_owned());
        let trips = Arc::new(AtomicUsize::new(0));
        let counted = trips.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(&server) else { continue };
                // Without this, every message waits until the other side has acknowledged the previous one.
                if client.set_nodelay(true).and_then(|()| upstream.set_nodelay(true)).is_err() {
                    continue;
                }
                let turn = Arc::new(Turn { is_servers: AtomicBool::new(false), trips: counted.clone() });
                for (from, to, side) in [(&client, &upstream, Side::Client), (&upstream, &client, Side::Server)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let (shared, turn) = (shared.clone(), turn.clone());
                    thread::spawn(move || {
                        let _ = pump(&from, &to, side, protocol, &shared, &turn);
                        end(&from, &to, side);
                    });
                }
            }
        });
        Self { uri: format!("{scheme}://{user}127.0.0.1:{port}/{database}?{parameters}"), judge, trips }
    }

    /// How often a server began to answer since the last call, over all connections: each is a round trip.
    pub fn trips(&self) -> usize {
        self.trips.swap(0, Ordering::SeqCst)
    }

    /// From now on, this function decides which messages are cut.
    pub fn judge(&self, judge: impl FnMut(&Message) -> Fate + Send + 'static) {
        *lock(&self.judge) = Box::new(judge);
    }
}

/// Whose messages of one connection are passed on, and how often the server's followed the client's.
struct Turn {
    is_servers: AtomicBool,
    trips: Arc<AtomicUsize>,
}

impl Turn {
    fn of(&self, side: Side) {
        let is_answer = !self.is_servers.swap(side == Side::Server, Ordering::SeqCst) && side == Side::Server;
        self.trips.fetch_add(usize::from(is_answer), Ordering::SeqCst);
    }
}

fn lock(judge: &Mutex<Judge>) -> std::sync::MutexGuard<'_, Judge> {
    judge.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pump(
    from: &TcpStream,
    mut to: &TcpStream,
    side: Side,
    protocol: Protocol,
    judge: &Mutex<Judge>,
    turn: &Turn,
) -> io::Result<()> {
    let mut is_first = side == Side::Client;
    let mut from = BufReader::new(from);
    loop {
        // Messages that were sent together are one request, also if an answer overtakes the last of them.
        let is_new = from.buffer().is_empty();
        // The head contains a length. Its meaning depends on the protocol.
        let head_bytes = match protocol {
            Protocol::Postgres if !is_first => 5,
            _ => 4,
        };
        let mut head = vec![0; head_bytes];
        from.read_exact(&mut head)?;
        let number: [u8; 4] = head[head_bytes - 4..].try_into().unwrap_or_default();
        let length = match protocol {
            Protocol::Postgres => (u32::from_be_bytes(number) as usize).saturating_sub(4),
            Protocol::Mysql => u32::from_le_bytes([number[0], number[1], number[2], 0]) as usize,
            Protocol::Mongo => (u32::from_le_bytes(number) as usize).saturating_sub(4),
        };
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        let tag = match protocol {
            Protocol::Postgres if !is_first => head[0],
            Protocol::Mysql => body.first().copied().unwrap_or_default(),
            _ => 0,
        };
        is_first = false;
        let text = String::from_utf8_lossy(&body[..body.len().min(TEXT_BYTES)]).into_owned();
        let fate = lock(judge)(&Message { from: side, tag, text });
        if fate == Fate::CutBefore {
            return Ok(());
        }
        if is_new || side == Side::Server {
            turn.of(side);
        }
        head.extend(body);
        to.write_all(&head)?;
        if fate == Fate::CutAfter {
            return Ok(());
        }
    }
}

/// Ends the connection for the client. The server still receives all bytes that were passed on.
fn end(from: &TcpStream, to: &TcpStream, side: Side) {
    let (client, server) = if side == Side::Client { (from, to) } else { (to, from) };
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Write);
}
