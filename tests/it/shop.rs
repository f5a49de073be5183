//! A project with four related tables whose rows depend on one number, and the rows of a target.
//!
//! The tables are parents, their children (with a foreign key), totals of the children by parent (with a foreign key,
//! too), and lines without a key. With the next number, rows of every table are added, changed and deleted.

use postgres::{Client, IsolationLevel};

use crate::project::Project;

const PROFILES: &str = "\
[project]
name = \"shop\"

[target.dev]
threads = 1

[target.dev.export]
type = \"postgres\"
uri = \"${POSTGRES_URI}\"
schema = \"shop\"
connections = 1
";

const MODELS: &str = "\
version: 2
models:
  - name: parents
    constraints: [{type: primary_key, columns: [parent_id]}]
  - name: children
    constraints:
      - {type: primary_key, columns: [child_id]}
      - {type: foreign_key, columns: [parent_id], to: ref('parents'), to_columns: [parent_id]}
  - name: totals
    constraints:
      - {type: primary_key, columns: [parent_id]}
      - {type: foreign_key, columns: [parent_id], to: ref('parents'), to_columns: [parent_id]}
  - name: lines
";

const TOTALS: &str = "\
{{ config(materialized='view') }}
select parent_id, count(*) as children, sum(amount)::bigint as amount from {{ ref('children') }} group by all
";

const COPIED_BYTES: usize = 70_000;

/// The content of a target: every row of every table as a line, in order.
pub type Rows = Vec<String>;

pub struct Shop {
    pub project: Project,
}

impl Shop {
    /// The project at `number`, which was built once to the target of this URI.
    pub fn published(uri: &str, number: u32) -> Self {
        Self::published_with(uri, number, "")
    }

    /// The same, with more lines for the export's table in the profile.
    pub fn published_with(uri: &str, number: u32, profile: &str) -> Self {
        let shop = Self::new(uri, number, profile);
        shop.project.elt(&["build"]).ok();
        shop
    }

    pub fn new(uri: &str, number: u32, profile: &str) -> Self {
        let mut shop = Self::of(&format!("{PROFILES}{profile}"));
        shop.project.set("POSTGRES_URI", uri);
        shop.turn(number);
        shop
    }

    /// The project with these profiles, without rows yet.
    pub fn of(profiles: &str) -> Self {
        let project = Project::of(&[
            ("profiles.toml", profiles),
            ("models/marts/models.yml", MODELS),
            ("models/marts/totals.sql", TOTALS),
        ]);
        for (name, columns) in [
            ("parents", "'parent_id': 'bigint', 'name': 'varchar'"),
            ("children", "'child_id': 'bigint', 'parent_id': 'bigint', 'amount': 'bigint'"),
            ("lines", "'line': 'varchar'"),
        ] {
            let path = project.path().join(format!("{name}.csv"));
            // The rows are read whenever they are published, without a build between. Their types are not inferred.
            let sql = format!(
                "{{{{ config(materialized='view') }}}}\nselect * from read_csv('{}', header = false, auto_detect = false, columns = {{{columns}}})\n",
                path.display()
            );
            project.write(&format!("models/marts/{name}.sql"), &sql);
        }
        Self { project }
    }

    /// Changes the warehouse to the rows of `number`.
    pub fn turn(&self, number: u32) {
        let (parents, children) = (parents(number), children(number));
        let text = |lines: Vec<String>| lines.join("\n") + "\n";
        self.project.write("parents.csv", &text(parents.iter().map(|(id, name)| format!("{id},{name}")).collect()));
        self.project.write(
            "children.csv",
            &text(children.iter().map(|(id, parent, amount)| format!("{id},{parent},{amount}")).collect()),
        );
        self.project.write("lines.csv", &text(lines(number)));
    }
}

fn parents(number: u32) -> Vec<(u32, String)> {
    let first = number % 10;
    (first..first + 6)
        .map(|id| (id, if id % 2 == 0 { format!("p{id} at {number}") } else { format!("p{id}") }))
        .collect()
}

fn children(number: u32) -> Vec<(u32, u32, u32)> {
    let of = |parent: u32| (0..(parent + number) % 3 + 1).map(move |nth| (parent, nth));
    parents(number)
        .iter()
        .flat_map(|(parent, _)| of(*parent))
        .map(|(parent, nth)| (parent * 10 + nth, parent, parent * 100 + nth * number))
        .collect()
}

/// One is so long that these rows are copied, while the rows of the other tables are inserted.
fn lines(number: u32) -> Vec<String> {
    vec![format!("number {number} {}", "x".repeat(COPIED_BYTES)), "always".into(), "twice".into(), "twice".into()]
}

/// The expected content of a target at `number`.
pub fn rows(number: u32) -> Rows {
    let mut rows: Rows = parents(number).iter().map(|(id, name)| format!("parent {id} {name}")).collect();
    let children = children(number);
    rows.extend(children.iter().map(|(id, parent, amount)| format!("child {id} {parent} {amount}")));
    for (parent, _) in parents(number) {
        let of: Vec<u32> = children.iter().filter(|child| child.1 == parent).map(|child| child.2).collect();
        rows.push(format!("total {parent} {} {}", of.len(), of.iter().sum::<u32>()));
    }
    rows.extend(lines(number).iter().map(|line| format!("line {line}")));
    rows.sort();
    rows
}

/// The content of a target, read table by table in one transaction.
pub fn read(client: &mut Client) -> Result<Rows, postgres::Error> {
    const QUERIES: [&str; 4] = [
        "select format('parent %s %s', parent_id, name) from shop.parents",
        "select format('child %s %s %s', child_id, parent_id, amount) from shop.children",
        "select format('total %s %s %s', parent_id, children, amount) from shop.totals",
        "select format('line %s', line) from shop.lines",
    ];
    let mut transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start()?;
    let mut rows = Rows::new();
    for query in QUERIES {
        rows.extend(transaction.query(query, &[])?.iter().map(|row| row.get::<_, String>(0)));
    }
    transaction.commit()?;
    rows.sort();
    Ok(rows)
}

#[track_caller]
pub fn assert_at(client: &mut Client, number: u32, when: &str) {
    assert_eq!(read(client).expect("the target's tables"), rows(number), "the target at {number}, {when}");
}

/// The number of publications in the target's record.
pub fn publications(client: &mut Client) -> i64 {
    client.query_one("select count(*) from _elt.publications", &[]).expect("the record").get(0)
}
