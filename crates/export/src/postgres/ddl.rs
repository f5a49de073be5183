//! The SQL that creates all tables of a publication, for people to read and `psql` to run.
//!
//! Pure. Knows no connection.

use std::collections::BTreeSet;

use super::definition::{Definition, foreign_key, foreign_key_name};
use super::names::qualified;
use super::table::PostgresTable;
use elt_base::schema::quote;

/// One script: schemas, tables, then what points from one to another.
pub fn script(tables: &[PostgresTable]) -> String {
    let mut text = String::new();
    let schemas: BTreeSet<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    for schema in schemas {
        text += &format!("create schema if not exists {};\n", quote(schema));
    }
    for table in tables {
        let place = qualified(&table.schema, &table.name);
        let definition = Definition::of(table);
        let mut parts: Vec<String> = table.columns.iter().map(super::statements::column).collect();
        let constraints =
            definition.constraints.iter().filter(|(_, definition)| !definition.starts_with("foreign key"));
        parts.extend(constraints.map(|(name, definition)| format!("constraint {} {definition}", quote(name))));
        text += &format!(
            "\ncreate table {place} (\n    {}\n){};\n",
            parts.join(",\n    "),
            super::statements::storage(table)
        );
        for (name, index) in &definition.indexes {
            let unique = if index.unique { "unique " } else { "" };
            text += &format!("create {unique}index {} on {place} {};\n", quote(name), index.definition);
        }
        // An owner who is another role comes last of all: until then all is ours to make.
        for statement in (Definition { owner: None, ..definition }).finish(&place) {
            text += &format!("{statement};\n");
        }
    }
    let mut last = Vec::new();
    for table in tables {
        let place = qualified(&table.schema, &table.name);
        for key in &table.foreign_keys {
            let is_made = tables.iter().any(|to| to.schema == key.to_schema && to.name == key.to_table);
            let before = if is_made { "" } else { "-- once that table exists: " };
            let name = quote(&foreign_key_name(table, key));
            last.push(format!("{before}alter table {place} add constraint {name} {};\n", foreign_key(key)));
        }
    }
    let owned = tables.iter().filter_map(|table| Some((table, table.owner.as_ref()?)));
    last.extend(owned.map(|(table, owner)| {
        format!("alter table {} owner to {};\n", qualified(&table.schema, &table.name), quote(owner))
    }));
    if !last.is_empty() {
        text += "\n";
        text += &last.concat();
    }
    text
}
