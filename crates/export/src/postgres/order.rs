//! The order in which tables are written: parents before children, by the contracts and by the database's own foreign
//! keys.
//!
//! Pure.

use super::catalog::PostgresCatalog;
use super::table::PostgresTable;

/// The positions of the tables in that order. It is the given one where no foreign key asks for another; tables in a
/// cycle keep it.
pub fn parents_first(tables: &[PostgresTable], standing: &PostgresCatalog) -> Vec<usize> {
    let position =
        |schema: &str, name: &str| tables.iter().position(|table| table.schema == schema && table.name == name);
    let parents: Vec<Vec<usize>> = tables
        .iter()
        .enumerate()
        .map(|(index, table)| {
            let declared = table.foreign_keys.iter().map(|key| (&key.to_schema, &key.to_table));
            let there = standing.get(&(table.schema.clone(), table.name.clone()));
            let theirs =
                there.iter().flat_map(|there| &there.foreign_keys).map(|(_, (schema, name), _)| (schema, name));
            let all = declared.chain(theirs).filter_map(|(schema, name)| position(schema, name));
            all.filter(|parent| *parent != index).collect()
        })
        .collect();
    let mut ordered: Vec<usize> = Vec::with_capacity(tables.len());
    let mut left: Vec<usize> = (0..tables.len()).collect();
    while !left.is_empty() {
        let is_ready = |index: &usize| parents[*index].iter().all(|parent| !left.contains(parent));
        // In a cycle nothing is ready: the first goes, which breaks it.
        let next = left.iter().position(is_ready).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

/// The items in the order of these positions.
pub fn ordered<T>(items: Vec<T>, order: &[usize]) -> Vec<T> {
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.iter().filter_map(|index| items.get_mut(*index).and_then(Option::take)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[test]
    fn the_databases_keys_count_too() {
        let table = |name: &str| {
            PostgresTable::of(&contract::Table::plain(name, &[("id", "BIGINT")], &["id"]), "public").expect("a table")
        };
        let tables = vec![table("applications"), table("kinds"), table("loans"), table("zones")];
        let mut standing = PostgresCatalog::new();
        for (child, parent) in
            [("applications", "loans"), ("loans", "zones"), ("zones", "zones"), ("loans", "elsewhere")]
        {
            let to = ("public".to_owned(), parent.to_owned());
            let there = standing.entry(("public".to_owned(), child.to_owned())).or_default();
            there.foreign_keys.push((vec!["id".into()], to, vec!["id".into()]));
        }
        let order = parents_first(&tables, &standing);
        let names: Vec<&str> = order.iter().map(|index| tables[*index].name.as_str()).collect();
        assert_eq!(names, ["kinds", "zones", "loans", "applications"]);
        assert_eq!(ordered(vec!['a', 'k', 'l', 'z'], &order), ['k', 'z', 'l', 'a']);
        // A cycle keeps the order.
        let there = standing.get_mut(&("public".to_owned(), "zones".to_owned())).expect("a table");
        there.foreign_keys.push((vec!["id".into()], ("public".into(), "loans".into()), vec!["id".into()]));
        assert_eq!(parents_first(&tables, &standing), [1, 0, 2, 3]);
    }
}
