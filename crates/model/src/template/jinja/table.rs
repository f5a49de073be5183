//! The rows of a query in the form that dbt's templates know: a table with `rows`, `columns`, `column_names`.
//!
//! Supports the methods of dbt's table library that projects use. Other methods are an error.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, State};

use super::datetime::{DateTimeValue, time_value};
use super::refusal::Refusal;
use super::scope::scope;
use crate::template::{Answer, Cell, TemplateMessage};

/// A table. Its rows and columns share its values.
#[derive(Debug)]
pub(super) struct ResultTable {
    names: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl ResultTable {
    pub fn new(answer: &Answer) -> Arc<Self> {
        let rows = answer.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        Arc::new(Self { names: answer.columns.clone(), rows })
    }

    /// The rows as tuples, for `load_result('x')['data']`.
    pub fn data(&self) -> Value {
        Value::from(self.rows.iter().map(|row| Value::from(Tuple::from(row.clone()))).collect::<Vec<_>>())
    }

    fn column(self: &Arc<Self>, index: usize) -> Value {
        Value::from_object(TableColumn { table: self.clone(), index })
    }

    fn row(self: &Arc<Self>, index: usize) -> Value {
        Value::from_object(TableRow { table: self.clone(), index })
    }

    /// The position of an index or a name. A negative index counts from the end.
    fn position(&self, key: &Value) -> Option<usize> {
        match key.as_str() {
            Some(name) => self.names.iter().position(|known| known == name),
            None => wrapped(key, self.names.len()),
        }
    }

    /// The table as text, for `print_table`.
    fn picture(&self, rows_max: usize, columns_max: usize) -> String {
        let shown: Vec<usize> = (0..self.names.len().min(columns_max)).collect();
        let text = |value: &Value| if value.is_none() { String::new() } else { value.to_string() };
        let width = |index: usize| {
            let cells = self.rows.iter().take(rows_max).map(|row| text(&row[index]).chars().count());
            cells.chain([self.names[index].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = shown.iter().map(|index| width(*index)).collect();
        let line = |cells: Vec<String>, numbers: &[bool]| {
            let padded: Vec<String> = cells
                .iter()
                .zip(&widths)
                .zip(numbers)
                .map(|((cell, width), is_number)| match is_number {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                })
                .collect();
            format!("| {} |", padded.join(" | "))
        };
        let numbers: Vec<bool> =
            shown.iter().map(|index| self.rows.iter().any(|row| row[*index].is_number())).collect();
        let texts = vec![false; shown.len()];
        let mut lines = vec![line(shown.iter().map(|index| self.names[*index].clone()).collect(), &texts)];
        lines.push(format!("| {} |", widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join(" | ")));
        for row in self.rows.iter().take(rows_max) {
            lines.push(line(shown.iter().map(|index| text(&row[*index])).collect(), &numbers));
        }
        if self.rows.len() > rows_max {
            lines.push("| ... |".into());
        }
        lines.join("\n")
    }
}

fn cell(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::from(()),
        Cell::Bool(value) => Value::from(*value),
        Cell::Integer(value) => match i64::try_from(*value) {
            Ok(value) => Value::from(value),
            Err(_) => Value::from(*value),
        },
        Cell::Float(value) => Value::from(*value),
        Cell::Date(date) => DateTimeValue::date(*date).into(),
        Cell::Timestamp(at, is_utc) => DateTimeValue::at(*at, is_utc.then_some(chrono_tz::Tz::UTC)).into(),
        Cell::Time(time) => time_value(*time),
        Cell::Text(text) => Value::from(text),
    }
}

fn wrapped(key: &Value, length: usize) -> Option<usize> {
    let index = key.as_i64()?;
    let index = if index < 0 { index + length as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < length)
}

fn unsupported(method: &str) -> Error {
    Refusal::new(format!("`{method}` of a query's result is not supported"))
        .hint("use `rows`, `columns`, `column_names` or `print_table`, and do everything else in SQL")
        .into()
}

impl Object for ResultTable {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "rows" => Some(Value::from_object(TableRows(self.clone()))),
            "columns" => Some(Value::from_object(TableColumns(self.clone()))),
            "column_names" => Some(Value::from(Tuple::from(self.names.iter().map(Value::from).collect::<Vec<_>>()))),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let table = self.clone();
        Enumerator::Values((0..self.rows.len()).map(|index| table.row(index)).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "print_table" => {
                let arguments = super::arguments::Arguments::read("print_table", args)?;
                let max =
                    |index, name, default| arguments.get(index, name).and_then(|v| v.as_usize()).unwrap_or(default);
                let picture = self.picture(max(0, "max_rows", 20), max(1, "max_columns", 6));
                scope(state)?.say(TemplateMessage::Line(picture));
                Ok(Value::from(()))
            }
            method => Err(unsupported(method)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.picture(20, 6))
    }
}

/// `table.rows`.
#[derive(Debug)]
struct TableRows(Arc<ResultTable>);

impl Object for TableRows {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        wrapped(key, self.0.rows.len()).map(|index| self.0.row(index))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.rows.len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "values" => Ok(Value::from_object(Self(self.0.clone()))),
            "keys" => Ok(Value::from(())),
            method => Err(unsupported(&format!("rows.{method}"))),
        }
    }
}

/// One row: values by position or name.
#[derive(Debug)]
struct TableRow {
    table: Arc<ResultTable>,
    index: usize,
}

impl TableRow {
    fn values(&self) -> &[Value] {
        &self.table.rows[self.index]
    }
}

impl Object for TableRow {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.table.position(key).and_then(|index| self.values().get(index).cloned())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.values().len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let pairs = || self.table.names.iter().map(Value::from).zip(self.values().iter().cloned());
        match method {
            "values" => Ok(Value::from(Tuple::from(self.values().to_vec()))),
            "keys" => Ok(Value::from(Tuple::from(self.table.names.iter().map(Value::from).collect::<Vec<_>>()))),
            "items" => Ok(Value::from(pairs().map(|(k, v)| Value::from(Tuple::from([k, v]))).collect::<Vec<_>>())),
            "dict" => Ok(Value::from_pairs(pairs())),
            "get" => {
                let found = args.first().and_then(|key| self.get_value(key));
                Ok(found.or_else(|| args.get(1).cloned()).unwrap_or(Value::from(())))
            }
            method => Err(unsupported(&format!("row.{method}"))),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<agate.Row: {}>", Value::from(Tuple::from(self.values().to_vec())))
    }
}

/// `table.columns`.
#[derive(Debug)]
struct TableColumns(Arc<ResultTable>);

impl Object for TableColumns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.position(key).map(|index| self.0.column(index))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.names.len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let names = || self.0.names.iter().map(Value::from);
        let columns = || (0..self.0.names.len()).map(|index| self.0.column(index));
        match method {
            "keys" => Ok(Value::from(Tuple::from(names().collect::<Vec<_>>()))),
            "values" => Ok(Value::from(Tuple::from(columns().collect::<Vec<_>>()))),
            "items" => Ok(Value::from(
                names().zip(columns()).map(|(k, v)| Value::from(Tuple::from([k, v]))).collect::<Vec<_>>(),
            )),
            "get" => Ok(args.first().and_then(|key| self.get_value(key)).unwrap_or(Value::from(()))),
            method => Err(unsupported(&format!("columns.{method}"))),
        }
    }
}

/// One column's values.
#[derive(Debug)]
struct TableColumn {
    table: Arc<ResultTable>,
    index: usize,
}

impl TableColumn {
    fn values(&self) -> Vec<Value> {
        self.table.rows.iter().map(|row| row[self.index].clone()).collect()
    }
}

impl Object for TableColumn {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("name") => Some(Value::from(&self.table.names[self.index])),
            Some("index") => Some(Value::from(self.index)),
            Some(_) => None,
            None => wrapped(key, self.table.rows.len()).map(|row| self.table.rows[row][self.index].clone()),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.table.rows.len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        let mut values = self.values();
        match method {
            "values" => {}
            "values_without_nulls" => values.retain(|value| !value.is_none()),
            "values_sorted" => values.sort(),
            "values_without_nulls_sorted" => {
                values.retain(|value| !value.is_none());
                values.sort();
            }
            "values_distinct" => {
                let mut seen: Vec<Value> = Vec::new();
                for value in values {
                    if !seen.contains(&value) {
                        seen.push(value);
                    }
                }
                values = seen;
            }
            method => return Err(unsupported(&format!("column.{method}"))),
        }
        Ok(Value::from(Tuple::from(values)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<agate.Column: {}>", Value::from(Tuple::from(self.values())))
    }
}
