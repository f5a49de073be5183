//! Secrets and encryption with a real Postgres and MongoDB server: no output or file contains a password, and
//! publications use TLS.

use mongodb::bson::doc;

use crate::project::Project;
use crate::servers::{Mongo, Postgres, free_port};

const WRONG: &str = "wr0ng-hush-77";

/// One seed, one mart with a key, published to `${POSTGRES_URI}`.
fn small_project() -> Project {
    Project::of(&[
        (
            "profiles.toml",
            "[project]\nname = \"small\"\n\n[target.dev]\n\n[target.prod.export]\ntype = \"postgres\"\n\
             uri = \"${POSTGRES_URI}\"\nschema = \"paints\"\n",
        ),
        ("seeds/colours.csv", "colour_id,name\n1,red\n2,green\n3,blue\n"),
        ("models/marts/colours_sold.sql", "select colour_id, name from {{ ref('colours') }}\n"),
        (
            "models/marts/colours_sold.yml",
            "version: 2\nmodels:\n  - name: colours_sold\n    columns:\n      - name: colour_id\n        constraints:\n          \
             - type: primary_key\n        data_tests: [unique, not_null]\n",
        ),
    ])
}

/// One source in MongoDB, one model over it.
fn small_mongo_project() -> Project {
    Project::of(&[
        (
            "profiles.toml",
            "[project]\nname = \"small\"\n\n[target.dev.sources.shop]\ntype = \"mongodb\"\nuri = \"${MONGODB_URI}\"\n\
             database = \"${MONGODB_DATABASE}\"\n",
        ),
        ("models/sources.yml", "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: orders\n"),
        ("models/marts/orders.sql", "select _id as order_id, n from {{ source('shop', 'orders') }}\n"),
    ])
}

/// Fails the test if a file of the project contains the text.
#[track_caller]
fn assert_nowhere(project: &Project, secret: &str) {
    for (path, text) in project.texts() {
        assert!(!text.contains(secret), "{} holds a secret", path.display());
    }
}

#[test]
fn a_wrong_postgres_password_is_never_shown() {
    let postgres = Postgres::shared().database();
    let mut project = small_project();
    project.set("POSTGRES_URI", postgres.uri_with_password(WRONG));
    for arguments in [&["build", "--target", "prod"][..], &["build", "--target", "prod", "--log-format", "json"]] {
        project.elt(arguments).exits(1).says("password").hides(WRONG);
    }
    let debug = project.elt(&["debug", "--target", "prod"]).hides(WRONG);
    assert_ne!(debug.status.code(), Some(0), "{debug}");
    assert_nowhere(&project, WRONG);
    assert_eq!(postgres.tables("paints"), [""; 0], "nothing is published");
}

#[test]
fn a_right_postgres_password_is_never_shown() {
    let postgres = Postgres::shared().database();
    let Some(password) = postgres.uri.split("://").nth(1).and_then(|rest| rest.split('@').next()?.split(':').nth(1))
    else {
        // A server that was not started here may authenticate its users in another way.
        return;
    };
    let mut project = small_project();
    project.set("POSTGRES_URI", &postgres.uri).set("RUST_LOG", "trace");
    project.elt(&["build", "--target", "prod"]).ok().hides(password);
    project.elt(&["debug", "--target", "prod"]).ok().hides(password);
    project.elt(&["build", "--target", "prod", "--dry-run"]).ok().hides(password);
    assert_nowhere(&project, password);
    assert_eq!(postgres.number("select count(*) from paints.colours_sold"), 3);
}

#[test]
fn a_wrong_mongodb_password_is_never_shown() {
    let mongo = Mongo::shared().database();
    mongo.insert("orders", vec![doc! { "n": 1 }]);
    let mut project = small_mongo_project();
    let (scheme, rest) = mongo.uri.split_once("://").expect("an URI");
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    project.set("MONGODB_URI", format!("{scheme}://ann:{WRONG}@{host}")).set("MONGODB_DATABASE", &mongo.name);
    project.elt(&["build"]).exits(1).hides(WRONG);
    assert_nowhere(&project, WRONG);
}

#[test]
fn an_unreachable_server_is_named_without_its_password() {
    let port = free_port();
    let mut project = small_mongo_project();
    project
        .set("MONGODB_URI", format!("mongodb://ann:{WRONG}@127.0.0.1:{port}/?serverSelectionTimeoutMS=700"))
        .set("MONGODB_DATABASE", "shop");
    project.elt(&["build"]).exits(1).says(&format!("127.0.0.1:{port}")).hides(WRONG);

    let mut project = small_project();
    project.set("POSTGRES_URI", format!("postgres://ann:{WRONG}@127.0.0.1:{port}/shop?connect_timeout=1"));
    project.elt(&["build", "--target", "prod"]).exits(1).says(&format!("127.0.0.1:{port}")).hides(WRONG);
    assert_nowhere(&project, WRONG);
}

#[test]
fn publishes_over_tls() {
    let server = Postgres::shared();
    let postgres = server.database();
    let mut project = small_project();
    let Some(authority) = server.authority() else {
        // A server that was not started here: its URI decides.
        project.set("POSTGRES_URI", &postgres.uri);
        project.elt(&["build", "--target", "prod"]).ok();
        return;
    };
    // The server does not accept this role without TLS.
    let database =
        postgres.client().query_one("select current_database()::text", &[]).expect("a name").get::<_, String>(0);
    let role = format!("{database}_tls");
    postgres
        .client()
        .batch_execute(&format!(
            "create role {role} login password 'tls-hush'; grant all on database {database} to {role};"
        ))
        .expect("a role");
    let uri = postgres.uri_with_password("tls-hush").replacen("://elt:", &format!("://{role}:"), 1);
    server.require_tls(&role);
    let build = |parameters: &str, project: &mut Project| {
        project.set("POSTGRES_URI", format!("{uri}?{parameters}"));
        project.elt(&["build", "--target", "prod"]).hides("tls-hush")
    };
    build("sslmode=disable", &mut project).exits(1);
    // The server's certificate was not signed by an authority that the machine trusts.
    build("sslmode=verify-full", &mut project).exits(1);
    assert_eq!(postgres.tables("paints"), [""; 0], "published over a connection that was to be refused");
    build("sslmode=require", &mut project).ok();
    build(&format!("sslmode=verify-full&sslrootcert={}", authority.display()), &mut project).ok();
    assert_eq!(postgres.number("select count(*) from paints.colours_sold"), 3);

    // Postgres does not drop a role that owns objects.
    postgres.client().batch_execute(&format!("drop owned by {role} cascade; drop role {role}")).expect("to drop it");
}
