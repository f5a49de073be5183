//! Publishing through PgBouncer, as many databases of others are only reached that way.
//!
//! Knows the pooler's settings and processes. The machine needs its program: `tests/run` installs it.

use std::fs;
use std::path::PathBuf;

use crate::own_postgres::OwnPostgres;
use crate::project::Project;
use crate::servers::{Server, ServerUser, postgres_client, server_folder};

const MODELS: usize = 6;

/// A running PgBouncer before a server, with a pool of few connections.
struct Pooler {
    uri: String,
    _server: Server,
}

impl Pooler {
    fn before(postgres: &OwnPostgres, mode: &str) -> Self {
        let user = ServerUser::choose("postgres").expect("a user for PgBouncer");
        let folder = server_folder("elt-it-pgbouncer-", Some(&user)).expect("a folder");
        let port = postgres.uri.rsplit(':').next().and_then(|rest| rest.split('/').next()).expect("a port");
        let (server, port) = Server::start(&folder, &user, "TERM", |free| {
            let settings = format!(
                "[databases]\n* = host=127.0.0.1 port={port} user=elt\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {free}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = 8\n\
                 max_client_conn = 100\n"
            );
            let file = folder.join("pgbouncer.ini");
            fs::write(&file, settings).expect("the settings");
            user.own(&folder).expect("the folder");
            vec![program().display().to_string(), file.display().to_string()]
        })
        .expect("PgBouncer starts");
        let uri = format!("postgres://elt@127.0.0.1:{port}/postgres?sslmode=disable");
        server
            .wait_until_ready(|| postgres_client(&uri).map(drop).map_err(|error| error.to_string()))
            .expect("PgBouncer answers");
        Self { uri, _server: server }
    }
}

fn program() -> PathBuf {
    let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/sbin/pgbouncer", "/usr/local/bin/pgbouncer"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("the program `pgbouncer`\nhint: `tests/run` installs what the tests need and runs them")
}

/// Several tables, so that several connections stage at once.
fn project() -> Project {
    let project = Project::of(&[(
        "profiles.toml",
        "[project]\nname = \"pooled\"\n\n[target.prod]\nthreads = 4\n\n[target.prod.export]\ntype = \"postgres\"\n\
         uri = \"${POSTGRES_URI}\"\nschema = \"pooled\"\n",
    )]);
    for number in 0..MODELS {
        project.write(
            &format!("models/marts/t{number}.sql"),
            "{{ config(materialized='table', unique_key='id') }}\n\
             select i as id, 'row ' || i || '{{ var(\"word\", \"\") }}' as name from range(500) t(i)\n",
        );
    }
    project
}

fn publishes_through(mode: &str) {
    let postgres = OwnPostgres::start();
    let pooler = Pooler::before(&postgres, mode);
    let mut project = project();
    project.set("POSTGRES_URI", &pooler.uri);
    for round in 0..6 {
        let vars = format!("{{word: ' of {round}'}}");
        project.elt(&["build", "--target", "prod", "--vars", &vars]).ok().hides("under way");
        let mut client = postgres.client();
        for number in 0..MODELS {
            let sql = format!("select count(*) from pooled.t{number} where name = 'row ' || id || ' of {round}'");
            assert_eq!(client.query_one(&sql, &[]).expect("rows").get::<_, i64>(0), 500, "t{number} in round {round}");
        }
        let locks = "select count(*) from pg_locks where locktype = 'advisory'";
        assert_eq!(client.query_one(locks, &[]).expect("locks").get::<_, i64>(0), 0, "a lock is left behind");
    }
}

#[test]
fn publishes_through_a_pool_of_transactions() {
    publishes_through("transaction");
}

#[test]
fn publishes_through_a_pool_of_sessions() {
    publishes_through("session");
}
