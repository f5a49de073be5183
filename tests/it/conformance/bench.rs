//! One run of a behaviour against a target: the project that publishes, the content of the target, and the failed
//! points.
//!
//! Knows no target and no behaviour.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::target::{Columns, Kind, Target};
use crate::project::{Project, Run};
use crate::shop::{Rows, Shop, rows};

/// The tables of the shop: the first word of their lines, and their columns.
const TABLES: [(&str, Columns); 4] = [
    ("parent", ("parents", &[("parent_id", Kind::Integer), ("name", Kind::Text)])),
    ("child", ("children", &[("child_id", Kind::Integer), ("parent_id", Kind::Integer), ("amount", Kind::Integer)])),
    ("total", ("totals", &[("parent_id", Kind::Integer), ("children", Kind::Integer), ("amount", Kind::Integer)])),
    ("line", ("lines", &[("line", Kind::Text)])),
];

pub struct Bench {
    pub target: Box<dyn Target>,
    /// The points that are false, with the results.
    pub failed: BTreeMap<&'static str, String>,
}

impl Bench {
    pub fn new(target: Box<dyn Target>) -> Self {
        Self { target, failed: BTreeMap::new() }
    }

    /// Records whether a point is true. The first failure of a point is kept.
    pub fn check(&mut self, point: &'static str, holds: bool, found: impl Display) -> bool {
        if !holds {
            self.failed.entry(point).or_insert_with(|| found.to_string());
        }
        holds
    }

    /// The command ended with this exit code.
    pub fn exits(&mut self, point: &'static str, code: i32, run: &Run) -> bool {
        self.check(point, run.status.code() == Some(code), format!("not exit code {code}\n{run}"))
    }

    /// The profiles of a project that publishes to the target, with more lines for its export.
    pub fn profiles(&self, more: &str) -> String {
        format!(
            "[project]\nname = \"shop\"\n\n[target.dev]\nthreads = 1\n\n[target.dev.export]\n{}{more}",
            self.target.profile()
        )
    }

    /// A project with these files that publishes to the target.
    pub fn project(&self, files: &[(&str, &str)]) -> Project {
        let mut project = Project::of(files);
        project.write("profiles.toml", &self.profiles(""));
        self.set_environment(&mut project);
        project
    }

    /// The shop at a number, which is not published yet.
    pub fn shop(&self, number: u32) -> Shop {
        self.shop_with(number, "")
    }

    pub fn shop_with(&self, number: u32, more: &str) -> Shop {
        let mut shop = Shop::of(&self.profiles(more));
        self.set_environment(&mut shop.project);
        shop.turn(number);
        shop
    }

    pub fn published(&self, number: u32) -> Shop {
        let shop = self.shop(number);
        shop.project.elt(&["build"]).ok();
        shop
    }

    fn set_environment(&self, project: &mut Project) {
        for (name, value) in self.target.environment() {
            project.set(name, value);
        }
    }

    /// The shop's rows in the target.
    pub fn state(&self) -> Rows {
        let mut lines = Rows::new();
        let tables = self.target.tables(&TABLES.map(|(_, table)| table));
        for ((start, _), rows) in TABLES.iter().zip(tables) {
            for row in rows.unwrap_or_default() {
                let values = row.iter().map(|value| value.as_deref().unwrap_or("NULL"));
                lines.push(format!("{start} {}", values.collect::<Vec<_>>().join(" ")));
            }
        }
        lines.sort();
        lines
    }

    /// The target has exactly the shop's rows of this number.
    pub fn is_at(&mut self, point: &'static str, number: u32, when: impl Display) -> bool {
        let state = self.state();
        self.check(
            point,
            state == rows(number),
            format!("{when}: not at {number}: {}", differing(&state, &rows(number))),
        )
    }

    /// The target's table equals the project's relation.
    pub fn equals(
        &mut self,
        point: &'static str,
        project: &Project,
        table: &str,
        columns: &[(&str, Kind)],
        when: impl Display,
    ) -> bool {
        let here = super::target::of_warehouse(project, table, columns);
        let there = self.target.rows(table, columns);
        let holds = there.as_ref() == Some(&here);
        self.check(
            point,
            holds,
            format!("{when}: `{table}` is\n{there:?}\nin the target, and\n{here:?}\nin the warehouse"),
        )
    }
}

/// The lines that are in only one of two states.
pub fn differing(found: &[String], expected: &[String]) -> String {
    let only = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    format!("missing {:?}, unexpected {:?}", only(expected, found), only(found, expected))
}
