//! A relay before Postgres that reads the protocol's messages and can cut a connection before or after each of them.
//!
//! Knows the framing (<https://www.postgresql.org/docs/current/protocol-message-formats.html>), without TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// One message on its way.
#[derive(Debug, Clone)]
pub struct Message {
    pub from: Side,
    /// Its type byte; 0 for the startup packet.
    pub tag: u8,
    /// What it holds, as far as it is text.
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
}

impl Wire {
    /// Before the server of a URI without parameters, or with `sslmode=disable` alone.
    pub fn before(uri: &str) -> Self {
        let (scheme, rest) = uri.split_once("://").expect("an URI");
        let (authority, path) = rest.split_once('/').expect("a database");
        let (user, host) = authority.rsplit_once('@').expect("a user");
        let database = path.split('?').next().unwrap_or(path);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let pass: Judge = Box::new(|_| Fate::Pass);
        let judge = Arc::new(Mutex::new(pass));
        let (shared, server) = (judge.clone(), host.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(&server) else { continue };
                // Without it every message waits for the other side to acknowledge the one before.
                if client.set_nodelay(true).and_then(|()| upstream.set_nodelay(true)).is_err() {
                    continue;
                }
                for (from, to, side) in [(&client, &upstream, Side::Client), (&upstream, &client, Side::Server)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let shared = shared.clone();
                    thread::spawn(move || {
                        let _ = pump(&from, &to, side, &shared);
                        end(&from, &to, side);
                    });
                }
            }
        });
        Self { uri: format!("{scheme}://{user}@127.0.0.1:{port}/{database}?sslmode=disable"), judge }
    }

    /// From now on this decides.
    pub fn judge(&self, judge: impl FnMut(&Message) -> Fate + Send + 'static) {
        *lock(&self.judge) = Box::new(judge);
    }
}

fn lock(judge: &Mutex<Judge>) -> std::sync::MutexGuard<'_, Judge> {
    judge.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, side: Side, judge: &Mutex<Judge>) -> io::Result<()> {
    let mut is_first = side == Side::Client;
    loop {
        let mut head = vec![0; if is_first { 4 } else { 5 }];
        from.read_exact(&mut head)?;
        let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap_or_default()) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        from.read_exact(&mut body)?;
        let tag = if is_first { 0 } else { head[0] };
        is_first = false;
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let fate = lock(judge)(&Message { from: side, tag, text });
        if fate == Fate::CutBefore {
            return Ok(());
        }
        head.extend(body);
        to.write_all(&head)?;
        if fate == Fate::CutAfter {
            return Ok(());
        }
    }
}

/// To the client all is over; the server gets to its end what was passed on.
fn end(from: &TcpStream, to: &TcpStream, side: Side) {
    let (client, server) = if side == Side::Client { (from, to) } else { (to, from) };
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Write);
}
