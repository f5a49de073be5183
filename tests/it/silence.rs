//! Servers that accept a connection and are silent: every wait has a limit, and ends when the user stops the program.
//!
//! Knows sockets, but no protocol.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::project::Project;

/// The time in which a stopped program must end, on a busy machine.
const STOP_LIMIT: Duration = Duration::from_secs(6);

/// A port whose connections are accepted and never answered.
struct SilentServer {
    port: u16,
    accepted: Arc<Mutex<Vec<TcpStream>>>,
}

impl SilentServer {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let kept = accepted.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                kept.lock().expect("the connections").push(client);
            }
        });
        Self { port, accepted }
    }

    fn wait_for_client(&self) {
        let started = Instant::now();
        while self.accepted.lock().expect("the connections").is_empty() {
            assert!(started.elapsed() < Duration::from_secs(30), "nobody connects");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn project(&self) -> Project {
        let profiles = format!(
            "[project]\nname = \"silent\"\n\n[target.postgres.export]\ntype = \"postgres\"\n\
             uri = \"postgres://ann@127.0.0.1:{port}/shop?connect_timeout=1\"\nschema = \"shop\"\n\n\
             [target.mysql.export]\ntype = \"mysql\"\n\
             uri = \"mysql://ann@127.0.0.1:{port}/shop?tcp_connect_timeout_ms=1000\"\n\n\
             [target.slow.export]\ntype = \"postgres\"\nuri = \"postgres://ann@127.0.0.1:{port}/shop\"\nschema = \"shop\"\n\n\
             [target.mongodb.sources.shop]\ntype = \"mongodb\"\n\
             uri = \"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=60000\"\ndatabase = \"shop\"\n",
            port = self.port
        );
        Project::of(&[("profiles.toml", &profiles)])
    }
}

#[test]
fn a_connection_has_a_limit() {
    let server = SilentServer::start();
    let project = server.project();
    for (target, called) in [("postgres", "Postgres"), ("mysql", "MySQL")] {
        let started = Instant::now();
        project
            .elt(&["debug", "--target", target])
            .exits(1)
            .says(&format!("{called} at `127.0.0.1:{}", server.port))
            .says("accepts connections, but has not answered");
        assert!(started.elapsed() < Duration::from_secs(10), "{target}: {:?}", started.elapsed());
    }
}

#[test]
fn a_stop_ends_a_wait_for_a_server() {
    for (target, step) in [("slow", "(connecting)"), ("mongodb", "(listing the collections)")] {
        for signal in ["INT", "TERM"] {
            let server = SilentServer::start();
            let project = server.project();
            let running = project.start(&["debug", "--target", target]);
            server.wait_for_client();
            running.signal(signal);
            running.finish_within(STOP_LIMIT).exits(1).says("error: interrupted").says(step);
        }
    }
}

#[test]
fn a_server_may_be_silent_only_for_a_time() {
    let server = SilentServer::start();
    let mut project = server.project();
    project.set("ELT_ANSWER_TIMEOUT", "1.5");
    project.elt(&["debug", "--target", "mongodb"]).exits(1).says("has not answered for").says("`ELT_ANSWER_TIMEOUT`");
    project.set("ELT_ANSWER_TIMEOUT", "soon");
    project.elt(&["debug", "--target", "mongodb"]).exits(2).says("is not a number of seconds");
}
