//! The models of the soak test, whose columns come and go. Knows the collections' fields, no value and no target.

use super::random::Random;
use super::sources::{Collection, Place};
use crate::conformance::target::Kind;

/// All other columns of a raw table as JSON. Postgres has no longer names.
const WILD: &str = "to_json(columns(c -> length(c) < 60 and c not in ('n', 'u', '_id', '_elt_load_id', '_elt_loaded_at', '_elt_rescued')))";

const MATERIALIZED: [&str; 3] = ["table", "view", "incremental"];

pub struct MartColumn {
    pub name: String,
    sql: String,
    pub kind: Kind,
}

pub struct Mart {
    pub name: String,
    /// The relation that it selects from, in SQL.
    from: String,
    materialized: &'static str,
    pub key: Option<&'static str>,
    /// The mart that `n` points to.
    parent: Option<&'static str>,
    pub columns: Vec<MartColumn>,
    /// More of the select list: columns whose names are not known here.
    rest: String,
    /// The columns that it may also have.
    spare: Vec<MartColumn>,
}

fn column(name: &str, sql: &str, kind: Kind) -> MartColumn {
    MartColumn { name: name.into(), sql: sql.into(), kind }
}

/// A column for a field that documents gained.
pub fn gained(name: &str) -> MartColumn {
    column(name, &format!("s.{name}::varchar"), Kind::Text)
}

fn regular() -> Vec<MartColumn> {
    let cast = |name: &str, to: &str| format!("try_cast(s.{name}::varchar as {to})");
    vec![
        column("a", &cast("a", "integer"), Kind::Integer),
        column("d", &cast("d", "decimal(18, 2)"), Kind::Decimal),
        column("x", &format!("case when isfinite({0}) then {0} end", cast("x", "double")), Kind::Float),
        column("t", "s.t::varchar", Kind::Text),
        column("w", &format!("case when {0} > '1970-01-01' then {0} end", cast("w", "timestamptz")), Kind::Timestamp),
        column("f", &cast("f", "boolean"), Kind::Bool),
        column("g", &cast("g", "uuid"), Kind::Uuid),
        column(
            "o",
            "json_object('s', to_json(s.o) ->> 's', 'v', try_cast(to_json(s.o) ->> 'v' as bigint))",
            Kind::Json,
        ),
    ]
}

/// The key, and the time of the last change.
fn first() -> Vec<MartColumn> {
    vec![column("n", "s.n::bigint", Kind::Integer), column("seen", "s.u::varchar", Kind::Text)]
}

fn source(collection: &Collection) -> String {
    format!("{{{{ source('{}', '{}') }}}}", collection.source, collection.name)
}

pub fn all(random: &mut Random, collections: &[Collection]) -> Vec<Mart> {
    let mut marts = Vec::new();
    for collection in collections {
        let materialized = *random.one_of(&MATERIALIZED);
        let mut columns = first();
        if collection.is_regular {
            columns.extend(regular());
        }
        if !collection.is_file_of_columns() {
            columns.push(column("rescued", "s._elt_rescued::varchar", Kind::Text));
        }
        columns.extend(collection.columns.iter().map(|column| gained(&column.name)));
        let is_wild = !collection.is_regular && !collection.is_file_of_columns();
        marts.push(Mart {
            name: collection.name.into(),
            from: source(collection),
            // The values of a wild one may change with the type of a column, without a change of the document.
            materialized: if is_wild { "table" } else { materialized },
            key: Some("n"),
            parent: None,
            columns,
            rest: match (is_wild, collection.place) {
                (false, _) => String::new(),
                (true, Place::Mongo) => format!("{WILD},"),
                // As text: JSON may spell values that the MongoDB-compatible server of the tests refuses or alters.
                (true, _) => format!("{WILD}::varchar,"),
            },
            spare: Vec::new(),
        });
    }
    marts.push(Mart {
        name: "order_lines".into(),
        from: "(select n, u, unnest(from_json(to_json(lines), '[\"json\"]')) as line, \
               unnest(range(len(from_json(to_json(lines), '[\"json\"]')))) as position from {{ source('live', 'orders') }})"
            .into(),
        materialized: "table",
        key: Some("line_id"),
        parent: Some("orders"),
        columns: vec![
            column("line_id", "s.n || '-' || s.position", Kind::Text),
            column("n", "s.n::bigint", Kind::Integer),
            column("sku", "s.line ->> 'sku'", Kind::Text),
            column("qty", "try_cast(s.line ->> 'qty' as bigint)", Kind::Integer),
        ],
        rest: String::new(),
        spare: Vec::new(),
    });
    marts.push(Mart {
        name: "totals".into(),
        from: "(select n % 7 as part, count(*) as orders from {{ ref('orders') }} group by all)".into(),
        materialized: "view",
        key: None,
        parent: None,
        columns: vec![column("part", "s.part", Kind::Integer), column("orders", "s.orders", Kind::Integer)],
        rest: String::new(),
        spare: Vec::new(),
    });
    marts
}

/// Changes the models: a column comes, goes or gets a wider type, or a model comes or goes. Returns what happened.
pub fn change(random: &mut Random, marts: &mut Vec<Mart>, collections: &mut [Collection], round: u64) -> String {
    let at = random.below(collections.len());
    let collection = &mut collections[at];
    let mart = marts.iter_mut().find(|mart| mart.name == collection.name).expect("a mart of each collection");
    match random.below(6) {
        0 => {
            // A model that reads a field in the same change in which the documents gain it.
            let field = collection.gain_field(random);
            mart.columns.push(gained(&field));
            format!("`{}` reads the new field `{field}`", mart.name)
        }
        1 if mart.columns.len() > 3 => {
            let gone = mart.columns.remove(2 + random.below(mart.columns.len() - 2));
            let done = format!("`{}` loses `{}`", mart.name, gone.name);
            mart.spare.push(gone);
            done
        }
        2 if !mart.spare.is_empty() => {
            let back = mart.spare.remove(random.below(mart.spare.len()));
            let done = format!("`{}` has `{}` again", mart.name, back.name);
            mart.columns.push(back);
            done
        }
        3 => {
            let Some(column) = mart.columns.iter_mut().find(|column| column.sql.contains("as integer)")) else {
                return String::new();
            };
            column.sql = column.sql.replace("as integer)", "as bigint)");
            format!("`{}`.`{}` gets a wider type", mart.name, column.name)
        }
        4 => {
            let name = format!("more_{round}");
            let done = format!("new model `{name}`");
            let mut columns = first();
            columns.extend(if collection.is_regular { regular() } else { Vec::new() });
            let materialized = *random.one_of(&MATERIALIZED);
            let from = source(collection);
            marts.push(Mart {
                name,
                from,
                materialized,
                key: Some("n"),
                parent: None,
                columns,
                rest: String::new(),
                spare: Vec::new(),
            });
            done
        }
        _ => {
            let Some(at) = marts.iter().position(|mart| mart.name.starts_with("more_")) else { return String::new() };
            format!("`{}` is gone", marts.remove(at).name)
        }
    }
}

impl Mart {
    pub fn sql(&self) -> String {
        let list: Vec<String> =
            self.columns.iter().map(|column| format!("    {} as {},\n", column.sql, column.name)).collect();
        let (list, from, rest) = (list.concat(), &self.from, &self.rest);
        let (config, condition) = match self.materialized {
            "incremental" => (
                "materialized='incremental', unique_key='n', deletes='sweep', on_schema_change='sync_all_columns'",
                "{% if is_incremental() %}\nwhere not exists (\n    select 1 from {{ this }} as known \
                 where known.n = s.n and known.seen = s.u::varchar\n)\n{% endif %}\n",
            ),
            "view" => ("materialized='view'", ""),
            _ => ("materialized='table'", ""),
        };
        format!("{{{{ config({config}) }}}}\nselect\n{list}    {rest}\nfrom {from} as s\n{condition}")
    }

    pub fn yaml(&self) -> String {
        let mut yaml = format!("  - name: {}\n", self.name);
        if let Some(key) = self.key {
            yaml += &format!("    constraints:\n      - {{type: primary_key, columns: [{key}]}}\n");
            if let Some(parent) = self.parent {
                yaml += &format!("      - {{type: foreign_key, columns: [n], to: ref('{parent}'), to_columns: [n]}}\n");
            }
            yaml += &format!("    columns:\n      - name: {key}\n        data_tests: [unique, not_null]\n");
        }
        yaml
    }

    /// Selects a column no longer, now or later.
    pub fn forget(&mut self, name: &str) {
        self.columns.retain(|column| column.name != name);
        self.spare.retain(|column| column.name != name);
    }

    /// The columns that are compared.
    pub fn kinds(&self) -> Vec<(&str, Kind)> {
        self.columns.iter().map(|column| (&*column.name, column.kind)).collect()
    }
}
