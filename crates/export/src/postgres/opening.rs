//! Opens a schema for a publication: connects, takes the lock, and reads what exists.
//!
//! Two connections are opened at once, and the whole catalog is read in one round trip. Changes nothing outside elt's
//! own schema.

use std::collections::BTreeSet;
use std::thread;

use elt_connect::postgres::{Answer, PostgresClient, PostgresServer};
use parking_lot::Mutex;
use postgres::types::Type;

use super::beginning::Beginning;
use super::lock::{self, AdvisoryLock, Holding, lock_key};
use super::own_schema;
use super::plan::{PostgresPlan, plan};
use super::quarantine;
use super::said::describe;
use super::script::Script;
use super::staging::{CONNECTIONS_MAX, PostgresPublication};
use super::table::{IDENTIFIER_BYTES_MAX, PostgresTable};
use super::{catalog, object_names, order, rights, target_types, watch};
use crate::exporter::Opening;
use crate::messages;
use crate::target::{Connections, OpenPublication, Opened, wait_for};
use elt_base::error::Result;
use elt_base::secret::Secret;

const LAST: &str = "select id::text from _elt.publications where schema = $1 order by number desc limit 1";

fn failed(error: &postgres::Error) -> elt_base::error::Error {
    messages::export_postgres("reading its catalog", None, describe(error))
}

impl PostgresPublication {
    pub fn open(uri: &Secret, schema: &str, connections: usize, opening: Opening<'_>) -> Result<OpenPublication<Self>> {
        let Opening { mut publication, policy, cancel, say, .. } = opening;
        if schema.len() > IDENTIFIER_BYTES_MAX {
            return Err(messages::export_name_too_long(&format!("schema `{schema}`"), schema.len()));
        }
        let mut tables = PostgresTable::all_of(&publication.tables, schema)?;
        let server = PostgresServer::new(uri, &format!("elt {}/{}", publication.project, publication.target))?;
        // All schemas that it publishes to are locked. All publications use the same order, so that no two wait for
        // each other.
        let schemas: BTreeSet<&str> = tables.iter().map(|table| table.schema.as_str()).chain([schema]).collect();
        let begin = lock::begin_holding(schemas.iter().map(|schema| lock_key(schema)));
        let (main, holder) = connect(&server, &begin)?;
        let (mut main, existing) = main;
        let existing = existing.map_err(|refusal| failed(&refusal.error))?;
        if let Err(error) = own_schema::make(&mut main, &existing) {
            let _ = main.batch_execute("rollback");
            let places: Vec<_> = tables.iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
            let missing = rights::missing(&mut main, schema, &places).unwrap_or_default();
            return Err(match error.as_db_error() {
                Some(_) if !missing.is_empty() => {
                    messages::export_missing_rights(&format!("Postgres schema `{schema}`"), &missing)
                }
                Some(_) => messages::export_no_own_schema(describe(&error)),
                None => failed(&error),
            });
        }
        let (mut holder, begun) = holder;
        let begun = begun.map_err(|refusal| lock::refused(&refusal.error))?;
        let (holding, taken) = Holding::of(&begun);
        for schema in schemas.iter().skip(taken) {
            wait_for(&mut AdvisoryLock { client: &mut holder, schema, key: lock_key(schema) }, cancel, say)?;
        }
        let own: Vec<String> =
            tables.iter().map(|table| table.schema.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let seen = catalog::schemas_of(&tables);
        let mark = own_schema::staging_mark(lock_key(schema));
        let touched = watch::touched();
        let mut queries: Vec<elt_connect::postgres::Query<'_>> = Vec::new();
        let left = [(&mark as _, Type::TEXT)];
        let last = [(&schema as _, Type::TEXT)];
        let own_schemas = [(&own as _, Type::TEXT_ARRAY)];
        let of_schemas = [(&seen as _, Type::TEXT_ARRAY)];
        queries.push((own_schema::STAGING_TABLES, &left));
        queries.push((LAST, &last));
        queries.push((own_schema::SCHEMAS, &own_schemas));
        queries.push((if policy.watch() { &touched } else { watch::NOTHING }, &[]));
        queries.extend(catalog::QUERIES.map(|sql| (sql, of_schemas.as_slice())));
        let mut found = main.query_all(&queries).map_err(|error| failed(&error))?.into_iter();
        let mut next = || found.next().unwrap_or_default();
        own_schema::drop_found(&mut main, &next()).map_err(|error| failed(&error))?;
        let last = next().first().map(|row| row.get(0));
        let missing_schemas = own_schema::missing_schemas(&next())?;
        let touched = watch::labels(&next(), &tables);
        let catalog = catalog::of(found.collect());
        let by_key = order::parents_first(&tables, &catalog);
        tables = order::ordered(tables, &by_key);
        publication.tables = order::ordered(publication.tables, &by_key);
        object_names::resolve(&mut tables, &catalog);
        let (plans, notes) = plan(&tables, &catalog, policy)?;
        target_types::set(&mut main, &mut tables, &catalog)?;
        let in_full = in_full(&mut main, &tables, &plans)?;
        let keeping = tables.iter().zip(&plans).filter(|(_, plan)| plan.keeps_others);
        let opened = Opened {
            last,
            keeping: keeping.map(|(table, _)| table.label.clone()).collect(),
            in_full,
            touched,
            notes,
            has_alterations: plans.iter().any(PostgresPlan::alters),
        };
        // The connection that applies the publication stages first.
        let more = connections.clamp(1, CONNECTIONS_MAX) - 1;
        let target = Self {
            server,
            schema: schema.to_owned(),
            id: publication.id.clone(),
            missing_schemas,
            policy,
            tables,
            plans,
            cancel: cancel.clone(),
            main: Mutex::new(main),
            holding,
            _holder: Mutex::new(holder),
            connections: (more > 0).then(|| Connections::at_most(more)),
            made_quarantines: BTreeSet::new(),
            applied_notes: Vec::new(),
            postponed: Vec::new(),
            beginning: Beginning::default(),
            turns: Vec::new(),
            watching: Script::default(),
            closing: Script::default(),
            has_staged: false.into(),
        };
        Ok(OpenPublication::new(publication, cancel.clone(), opened, target))
    }
}

type Connected = (PostgresClient, Result<Vec<Answer>, elt_connect::postgres::Refusal>);

/// Opens the connection that applies the publication, which asks for elt's own objects, and the one that holds the
/// lock, which tries to take it.
fn connect(server: &PostgresServer, begin: &[String]) -> Result<(Connected, Connected)> {
    let span = tracing::Span::current();
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _in_span = span.enter();
            server.connect_with(begin)
        });
        let main = server.connect_with(&[own_schema::existing()]);
        let holder = holder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((main?, holder?))
    })
}

/// The labels of the tables that are published in full.
fn in_full(main: &mut PostgresClient, tables: &[PostgresTable], plans: &[PostgresPlan]) -> Result<BTreeSet<String>> {
    let all = || tables.iter().zip(plans);
    let is_asked = |plan: &PostgresPlan| plan.has_quarantine && !plan.has_old_quarantine && !plan.wants_everything();
    let asked: Vec<_> = all().filter(|(_, plan)| is_asked(plan)).map(|(table, _)| table).collect();
    let mut script = Script::default();
    for table in &asked {
        script.add("reading its catalog", None, quarantine::of(table, String::new()).depends_on_others());
    }
    let answers = script.run(main)?;
    let depending = asked.iter().zip(&answers).filter(|(_, answer)| answer.is_true()).map(|(table, _)| *table);
    let whole = all().filter(|(_, plan)| plan.wants_everything()).map(|(table, _)| table);
    Ok(depending.chain(whole).map(|table| table.label.clone()).collect())
}
