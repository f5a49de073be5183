//! Tests of the order of steps, on a target that only remembers them.

use super::*;
use crate::Table;
use crate::changes::{Queries, Sink};
use crate::contract;
use crate::messages;
use elt_base::error::Error;
use elt_project::FileFormat;

/// The step that fails, and what was done.
#[derive(Default)]
struct Remembering {
    fails_at: Option<&'static str>,
    is_lost: bool,
    steps: std::sync::Arc<parking_lot::Mutex<Vec<String>>>,
}

struct Rows;

impl Staged for Rows {
    fn coverage(&self) -> Coverage {
        Coverage::Delta
    }
}

impl Remembering {
    fn step(&self, step: String) -> Result<()> {
        let fails = self.fails_at.is_some_and(|fails_at| step == fails_at);
        self.steps.lock().push(step);
        if fails { Err(messages::export_incomplete()) } else { Ok(()) }
    }
}

impl Staging for Remembering {
    type Staged = Rows;

    fn capabilities(&self) -> &'static Capabilities {
        const { &Capabilities::only_publishes("Memory") }
    }

    fn place(&self) -> String {
        "here".into()
    }

    fn stage(&self, _: usize, _: Coverage, _: &mut dyn Changes) -> Result<Rows> {
        Ok(Rows)
    }

    fn difference(&self, _: usize, _: &mut Rows) -> Result<Difference> {
        Ok(Difference::default())
    }
}

impl Applying for Remembering {
    fn begin(&mut self, _: &mut [Work<Rows>]) -> Result<()> {
        self.step("begin".into())
    }

    fn delete(&mut self, work: &mut Work<Rows>) -> Result<u64> {
        self.step(format!("delete {}", work.index)).map(|()| 1)
    }

    fn write(&mut self, work: &mut Work<Rows>) -> Result<(u64, u64)> {
        self.step(format!("write {}", work.index)).map(|()| (2, 3))
    }

    fn finish(&mut self, _: &mut [Work<Rows>]) -> Result<()> {
        self.step("finish".into())
    }

    fn record(&mut self, record: &PublicationRecord<'_>) -> Result<()> {
        self.step(format!("record {}", record.tables.keys().copied().collect::<Vec<_>>().join(" ")))
    }

    fn commit(&mut self) -> Result<Answer> {
        self.step("commit".into())?;
        Ok(if self.is_lost { Answer::Lost("gone".into()) } else { Answer::Committed })
    }

    fn roll_back(&mut self, error: Error) -> Error {
        self.steps.lock().push("roll back".into());
        error
    }

    fn is_recorded(&mut self, _: &str) -> Result<bool> {
        self.step("is recorded".into()).map(|()| true)
    }

    fn failed(&self, _: &str, cause: &str) -> Error {
        messages::export_incomplete().because(cause)
    }
}

struct NoRows;

impl Changes for NoRows {
    fn keys(&mut self, _: &mut Sink<'_>) -> Result<()> {
        Ok(())
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }
    fn rows(&mut self, _: &mut Sink<'_>) -> Result<()> {
        Ok(())
    }
    fn marked_rows(&mut self, _: &mut Sink<'_>) -> Result<()> {
        Ok(())
    }
    fn deletes(&mut self, _: &mut Sink<'_>) -> Result<()> {
        Ok(())
    }
    fn write_file(&mut self, _: &std::path::Path, _: &FileFormat, _: Option<&str>) -> Result<u64> {
        Ok(0)
    }
    fn queries(&self) -> Queries {
        Queries { rows: String::new(), all: String::new(), deletes: None, fresh: None }
    }
}

#[track_caller]
fn check(target: Remembering, staged: &[&str], is_published: bool, expected: &[&str]) {
    let steps = target.steps.clone();
    let tables: Vec<Table> =
        ["parent", "same", "child"].map(|name| contract::Table::plain(name, &[("id", "BIGINT")], &["id"])).into();
    let publication = Publication::new("p", "dev", tables);
    let open = OpenPublication::new(publication, Cancel::default(), Opened::default(), target);
    for label in staged {
        open.stage(label, Coverage::Delta, &mut NoRows).expect("staged");
    }
    let published = Box::new(open).commit();
    assert_eq!(published.is_ok_and(|published| published.id.is_some()), is_published);
    assert_eq!(*steps.lock(), expected);
}

#[test]
fn deletes_children_first_and_writes_parents_first() {
    check(Remembering::default(), &[], false, &[]);
    let all = ["begin", "delete 2", "delete 0", "write 0", "write 2", "finish", "record child parent", "commit"];
    check(Remembering::default(), &["child", "parent"], true, &all);
    let lost = Remembering { is_lost: true, ..Remembering::default() };
    check(lost, &["child", "parent"], true, &[&all[..], &["is recorded"]].concat());
    let fails = Remembering { fails_at: Some("write 0"), ..Remembering::default() };
    check(fails, &["child", "parent"], false, &["begin", "delete 2", "delete 0", "write 0", "roll back"]);
}
