//! Names of keys, indexes and quarantine tables that no other object of their schema has.
//!
//! In Postgres an index, and so a primary key and a unique constraint, has its name among the tables of its schema.
//! `orders (items_id)` and `orders_items (id)` would both get `orders_items_id_idx`, and names of more than 63 bytes are
//! cut. A name stays as it is recorded; a new one that is taken gets a hash. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::PostgresCatalog;
use super::definition::{Definition, object_text};
use super::fit::ExistingPostgresTable;
use super::names::{NAME_BYTES_MAX, cut, is_stray};
use super::table::PostgresTable;
use crate::target::{self, hash_tag, quarantine_name};

fn is_quarantine(there: &ExistingPostgresTable) -> bool {
    target::is_quarantine(there.columns.iter().map(|column| column.name.as_str()))
}

/// Gives the keys, indexes and quarantine tables of all tables their names. `standing` contains the existing tables.
pub fn resolve(tables: &mut [PostgresTable], standing: &PostgresCatalog) {
    // Tables have the names that models give them.
    let mut taken: BTreeSet<(String, String)> = standing.keys().cloned().collect();
    taken.extend(tables.iter().map(|table| (table.schema.clone(), table.name.clone())));
    let own_names: BTreeSet<(String, String)> =
        tables.iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
    for table in tables.iter_mut() {
        table.beside = beside(table, &own_names, standing);
        table.object_names.clear();
    }
    taken.extend(tables.iter().map(|table| (table.schema.clone(), table.beside.clone())));
    for (place, there) in standing {
        let is_published = own_names.contains(place);
        for name in &there.object_names {
            // The objects of a published table's contract are named below.
            let contract = there.contract.as_ref();
            let is_given = is_published && there.is_ours && contract.is_none_or(|contract| contract.has_object(name));
            if !is_given && !is_stray(name) {
                taken.insert((place.0.clone(), name.clone()));
            }
        }
    }
    // What is remembered keeps its name, before anything new gets one.
    let mut missing: Vec<(usize, String, String)> = Vec::new();
    for (index, table) in tables.iter_mut().enumerate() {
        let there = standing.get(&(table.schema.clone(), table.name.clone())).filter(|there| there.is_ours);
        for (text, usual) in objects(table) {
            let remembered = there.and_then(|there| {
                let contract = there.contract.as_ref()?;
                let mut names = contract.names_of(&text);
                names.find(|name| there.object_names.contains(*name)).cloned()
            });
            match remembered.filter(|name| taken.insert((table.schema.clone(), name.clone()))) {
                Some(name) => {
                    table.object_names.insert(text, name);
                }
                None => missing.push((index, text, usual)),
            }
        }
    }
    for (index, text, usual) in missing {
        let table = &mut tables[index];
        let schema = table.schema.clone();
        let is_free =
            |name: &String, taken: &mut BTreeSet<(String, String)>| taken.insert((schema.clone(), name.clone()));
        let hashed = with_tag(&usual, &format!("{}\n{}\n{text}", table.schema, table.name));
        let name = if is_free(&usual, &mut taken) { usual } else { hashed };
        taken.insert((schema.clone(), name.clone()));
        table.object_names.insert(text, name);
    }
}

/// The objects whose names the contract leaves to us, with their usual names.
fn objects(table: &PostgresTable) -> Vec<(String, String)> {
    let definition = Definition::of(table);
    let given: BTreeSet<&String> =
        table.key_name.iter().chain(table.unique.iter().filter_map(|unique| unique.name.as_ref())).collect();
    let is_key = |text: &str| text.starts_with("primary key") || text.starts_with("unique");
    let constraints = definition.constraints.iter().filter(|(name, text)| is_key(text) && !given.contains(name));
    let constraints = constraints.map(|(name, text)| (text.clone(), name.clone()));
    let indexes = definition.indexes.iter().map(|(name, index)| (object_text(index), name.clone()));
    constraints.chain(indexes).collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// `orders_items_id_9a3b…_idx`
fn with_tag(usual: &str, of: &str) -> String {
    let (stem, ending) = usual.rsplit_once('_').unwrap_or((usual, "idx"));
    cut(stem, &format!("_{}_{ending}", hash_tag(of)))
}

/// The name of a table's quarantine table: with a hash where it would be cut, or where it is another table's.
fn beside(table: &PostgresTable, own_names: &BTreeSet<(String, String)>, standing: &PostgresCatalog) -> String {
    let fits = |usual: &str| {
        let place = (table.schema.clone(), usual.to_owned());
        let is_free = !own_names.contains(&place) && standing.get(&place).is_none_or(is_quarantine);
        usual.len() <= NAME_BYTES_MAX && is_free
    };
    quarantine_name(&table.name, &format!("{}\n{}", table.schema, table.name), fits, cut)
}

/// The quarantine table of an earlier version, which cut names and so shared one among tables. None if the name is
/// rightly that of another table's.
pub fn shared_quarantine(table: &PostgresTable, standing: &PostgresCatalog) -> Option<String> {
    let former = cut(&table.name, "_quarantine");
    let place = (table.schema.clone(), former.clone());
    let owner = former.strip_suffix("_quarantine").map(|owner| (table.schema.clone(), owner.to_owned()));
    let is_anothers = owner.is_some_and(|owner| standing.get(&owner).is_some_and(|there| there.is_ours));
    let is_shared = former != table.beside && !is_anothers && standing.get(&place).is_some_and(is_quarantine);
    is_shared.then_some(former)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;
    use elt_project::Index;

    fn table(name: &str, columns: &[&str], indexed: &str) -> PostgresTable {
        let columns: Vec<(&str, &str)> = columns.iter().map(|name| (*name, "BIGINT")).collect();
        let mut plain = contract::Table::plain(name, &columns, &[columns[0].0]);
        plain.indexes = vec![Index { columns: vec![indexed.to_owned()], ..Index::default() }];
        PostgresTable::of(&plain, "public").expect("a table")
    }

    fn index_names(tables: &[PostgresTable]) -> Vec<String> {
        tables.iter().flat_map(|table| Definition::of(table).indexes.into_keys()).collect()
    }

    #[test]
    fn names_are_those_of_no_other_object() {
        let mut tables = vec![
            table("orders", &["_id", "items_id"], "items_id"),
            table("orders_items", &["_id", "id"], "id"),
            table("a", &["id", "n"], "n"),
            table("a_n_idx", &["id", "n"], "n"),
        ];
        resolve(&mut tables, &PostgresCatalog::new());
        let names = index_names(&tables);
        assert_eq!(names[0], "orders_items_id_idx");
        assert!(names[1].starts_with("orders_items_id_") && names[1].len() == 28, "{names:?}");
        assert!(names[2].starts_with("a_n_") && names[2] != "a_n_idx", "{names:?}");
        // Published alone, with what is remembered, each has the same name.
        let mut standing = PostgresCatalog::new();
        for table in &tables {
            let contract = Definition::of(table);
            let there = ExistingPostgresTable {
                is_ours: true,
                object_names: contract.constraints.keys().chain(contract.indexes.keys()).cloned().collect(),
                contract: Some(contract),
                ..ExistingPostgresTable::default()
            };
            standing.insert(("public".into(), table.name.clone()), there);
        }
        let mut alone = vec![table("orders_items", &["_id", "id"], "id")];
        resolve(&mut alone, &standing);
        assert_eq!(index_names(&alone), names[1..2]);
    }

    #[test]
    fn quarantine_tables_are_not_shared() {
        let long = "x".repeat(55);
        let names = [format!("{long}_a"), format!("{long}_b"), "orders".into(), "orders_quarantine".into()];
        let mut tables: Vec<_> = names.iter().map(|name| table(name, &["id"], "id")).collect();
        resolve(&mut tables, &PostgresCatalog::new());
        let beside: BTreeSet<&str> = tables.iter().map(|table| table.beside.as_str()).collect();
        assert_eq!(beside.len(), 4);
        assert!(beside.iter().all(|name| name.len() <= 63 && name.ends_with("_quarantine")), "{beside:?}");
        assert!(!beside.contains("orders_quarantine"));
    }
}
