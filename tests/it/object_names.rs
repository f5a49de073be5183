//! Names of keys, indexes and quarantine tables that two tables would share: what earlier versions left is mended.
//!
//! Does not know how names are made unique.

use crate::project::Project;
use crate::servers::{Postgres, PostgresDatabase};

const PROFILES: &str = "[project]\nname = \"shop\"\n[target.dev]\nthreads = 1\n[target.dev.export]\ntype = \"postgres\"\n\
    uri = \"${POSTGRES_URI}\"\nschema = \"shop\"\n";
const MARTS: &str = "models:\n  - name: orders\n    config: {unique_key: id, indexes: [{columns: [items_id]}]}\n    \
    constraints: [{type: unique, columns: [items_id]}]\n  - name: orders_items\n    config: {unique_key: key, \
    indexes: [{columns: [id]}]}\n    constraints: [{type: unique, columns: [id]}]\n";

fn shop(database: &PostgresDatabase) -> Project {
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        ("models/marts/orders.sql", "select i as id, i as items_id from range({{ var('n', 2) }}) t(i)"),
        ("models/marts/orders_items.sql", "select i as key, i as id from range({{ var('n', 2) }}) t(i)"),
        ("models/marts/marts.yml", MARTS),
    ]);
    project.set("POSTGRES_URI", &database.uri);
    project
}

fn names(database: &PostgresDatabase) -> Vec<String> {
    let sql = "select c.relname::text from pg_class c join pg_index i on i.indexrelid = c.oid \
               where c.relnamespace = 'shop'::regnamespace order by 1";
    database.client().query(sql, &[]).expect("names").iter().map(|row| row.get(0)).collect()
}

#[test]
fn stray_names_of_earlier_versions_are_mended() {
    let database = Postgres::shared().database();
    let project = shop(&database);
    project.elt(&["build"]).ok();
    let right = names(&database);
    assert_eq!(right.len(), 6, "{right:?}");
    // As the first version left it: the second table's objects keep the names of their staging, and are recorded under
    // the first table's.
    let tagged = |start: &str, end: &str| {
        let is_it = |name: &&String| name.starts_with(start) && name.ends_with(end) && name.len() > start.len() + 10;
        right.iter().find(is_it).expect("a name with a hash").clone()
    };
    let (index, unique) = (tagged("orders_items_id", "_idx"), tagged("orders_items_id", "_key"));
    database
        .client()
        .batch_execute(&format!(
            "alter index shop.\"{index}\" rename to new_85710e34021eed47_1_1; \
             alter index shop.\"{unique}\" rename to new_85710e34021eed47_1_2; \
             alter index shop.orders_items_pkey rename to new_85710e34021eed47_1_0; \
             update _elt.tables set contract = replace(replace(contract::text, '{index}', 'orders_items_id_idx'), \
             '{unique}', 'orders_items_id_key')::jsonb where name = 'orders_items'"
        ))
        .expect("as it was");
    project.elt(&["build", "--vars", "{\"n\": 3}"]).ok().says("1 inserted");
    assert_eq!(names(&database), right);
    project.elt(&["build", "--vars", "{\"n\": 4}"]).ok().says("1 inserted");
    assert_eq!(names(&database), right);
    let plan = project.elt(&["plan"]).ok();
    assert!(!plan.stdout.contains("index"), "{plan}");
}
