//! For each output column of a bound plan, the input columns it is computed from.
//!
//! Walks DuckDB's JSON of a logical plan before optimisation (`json_serialize_plan`, DuckDB 1.5). In this plan,
//! subqueries are already joins, and columns are positions. The walk ends at an unknown operator and reports its name.

use std::collections::HashMap;

use serde_json::Value;

use super::expression::{either, expression, index, text, used};
use super::flow::{Field, Flow};
use super::rows::PlanRows;
use crate::graph::{CTE_PREFIX, NodeId};
use elt_base::path::Step;

/// The number of passes over a recursive part. More passes hardly ever find more input columns.
const ROUNDS_MAX: usize = 6;

/// Finds the node of a relation by schema and name, or the node of an ephemeral model's expression.
pub(super) struct PlanNames<'n> {
    pub relation: &'n dyn Fn(&str, &str) -> Option<NodeId>,
    pub ephemeral: &'n dyn Fn(&str) -> Option<NodeId>,
}

/// The rows of a serialised plan. Errors name the part that could not be followed.
pub(super) fn rows(plan: &Value, names: &PlanNames<'_>) -> Result<PlanRows, String> {
    let plan = plan["plans"].as_array().and_then(|plans| plans.last()).ok_or("no plan")?;
    Walk { names, expressions: HashMap::new(), outer: Vec::new() }.operator(plan)
}

struct Walk<'n> {
    names: &'n PlanNames<'n>,
    /// Common table expressions by their table index.
    expressions: HashMap<usize, PlanRows>,
    /// The columns that correlated subqueries can use, innermost last.
    outer: Vec<Vec<Flow>>,
}

impl Walk<'_> {
    fn operator(&mut self, value: &Value) -> Result<PlanRows, String> {
        let table = index(value, "table_index");
        match text(value, "type") {
            "LOGICAL_GET" => self.get(value),
            "LOGICAL_PROJECTION" => {
                let below = self.child(value, 0)?;
                let columns = self.all(&value["expressions"], &below);
                Ok(PlanRows { columns, bindings: Vec::new(), decides: below.decides }.named(table))
            }
            "LOGICAL_FILTER" => {
                let mut below = self.child(value, 0)?;
                below.decides.extend(used(&value["expressions"], &below));
                Ok(project(below, &value["projection_map"]))
            }
            "LOGICAL_AGGREGATE_AND_GROUP_BY" => self.aggregate(value),
            "LOGICAL_WINDOW" => self.appended(value, "window_index"),
            "LOGICAL_UNNEST" => self.appended(value, "unnest_index"),
            "LOGICAL_ORDER_BY" => Ok(project(self.child(value, 0)?, &value["projection_map"])),
            "LOGICAL_LIMIT" | "LOGICAL_TOP_N" => {
                // With a limit, the order decides which rows exist.
                let mut below = self.child(value, 0)?;
                let of = if text(value, "type") == "LOGICAL_TOP_N" { value } else { &value["children"][0] };
                below.decides.extend(used(&of["orders"], &below));
                below.decides.extend(used(&value["limit_val"], &below));
                Ok(below)
            }
            "LOGICAL_DISTINCT" => {
                let mut below = self.child(value, 0)?;
                if text(value, "distinct_type") == "DISTINCT_ON" {
                    below.decides.extend(used(&value["distinct_targets"], &below));
                    below.decides.extend(used(&value["order_by"], &below));
                }
                Ok(below)
            }
            "LOGICAL_SAMPLE" => self.child(value, 0),
            "LOGICAL_COMPARISON_JOIN" | "LOGICAL_ASOF_JOIN" | "LOGICAL_DELIM_JOIN" | "LOGICAL_ANY_JOIN" => {
                self.join(value)
            }
            "LOGICAL_CROSS_PRODUCT" | "LOGICAL_POSITIONAL_JOIN" => {
                Ok(self.child(value, 0)?.beside(self.child(value, 1)?))
            }
            "LOGICAL_UNION" => {
                let parts = value["children"].as_array().map_or(0, Vec::len);
                let parts = (0..parts).map(|at| self.child(value, at)).collect::<Result<Vec<_>, _>>()?;
                Ok(united(parts).named(table))
            }
            "LOGICAL_EXCEPT" | "LOGICAL_INTERSECT" => {
                let (mut left, right) = (self.child(value, 0)?, self.child(value, 1)?);
                left.decides.extend(right.columns.iter().flat_map(Flow::all));
                left.decides.extend(right.decides);
                Ok(left.named(table))
            }
            "LOGICAL_MATERIALIZED_CTE" => {
                let rows = self.ephemeral(value).map_or_else(|| self.child(value, 0), Ok)?;
                self.expressions.insert(table, rows);
                self.child(value, 1)
            }
            "LOGICAL_RECURSIVE_CTE" => {
                let mut rows = self.child(value, 0)?;
                for _ in 0..ROUNDS_MAX {
                    self.expressions.insert(table, rows.clone());
                    let next = united(vec![rows.clone(), self.child(value, 1)?]);
                    if next.columns == rows.columns && next.decides == rows.decides {
                        break;
                    }
                    rows = next;
                }
                Ok(rows.named(table))
            }
            "LOGICAL_CTE_REF" => {
                let rows = self.expressions.get(&index(value, "cte_index")).cloned();
                Ok(rows.ok_or("a common table expression that is not there")?.named(table))
            }
            "LOGICAL_DELIM_GET" => {
                let columns = self.outer.last().cloned().ok_or("a correlated subquery without its outer query")?;
                Ok(PlanRows::of(columns).named(table))
            }
            "LOGICAL_DUMMY_SCAN" => Ok(PlanRows::of(vec![Flow::default()]).named(table)),
            "LOGICAL_EXPRESSION_GET" => {
                let below = self.child(value, 0)?;
                let lines: &[Value] = value["expressions"].as_array().map_or(&[], Vec::as_slice);
                let lines = lines.iter().map(|line| PlanRows::of(self.all(line, &below))).collect();
                let decides = below.decides.clone();
                Ok(PlanRows { decides, ..united(lines).named(table) })
            }
            "LOGICAL_CHUNK_GET" | "LOGICAL_EMPTY_RESULT" => {
                let types = ["chunk_types", "return_types"].iter().find_map(|name| value[*name].as_array());
                Ok(PlanRows::of(vec![Flow::default(); types.map_or(0, Vec::len)]).named(table))
            }
            other => Err(other.trim_start_matches("LOGICAL_").to_lowercase().replace('_', " ")),
        }
    }

    fn child(&mut self, value: &Value, at: usize) -> Result<PlanRows, String> {
        self.operator(&value["children"][at])
    }

    fn all(&self, expressions: &Value, below: &PlanRows) -> Vec<Flow> {
        expressions.as_array().into_iter().flatten().map(|value| expression(value, below)).collect()
    }

    /// A table, or a function that replaces one.
    fn get(&mut self, value: &Value) -> Result<PlanRows, String> {
        let table = index(value, "table_index");
        let names: Vec<&str> = value["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let data = &value["function_data"];
        let node = data["table"].as_str().and_then(|name| (self.names.relation)(text(data, "schema"), name));
        let below = match value["children"].as_array().is_some_and(|children| !children.is_empty()) {
            true => self.child(value, 0)?,
            false => PlanRows::default(),
        };
        let is_unnest = text(value, "name") == "unnest";
        let column = |at: usize| match (node, names.get(at)) {
            (Some(node), Some(name)) => Flow::copy(Field::column(node, *name)),
            (Some(_), None) | (None, _) if below.columns.is_empty() => Flow::default(),
            _ if is_unnest => below.column(at).then(&Step::Element),
            _ => either(below.columns.iter().cloned()).into_computed(),
        };
        let ids = value["column_indexes"].as_array().into_iter().flatten();
        let mut columns: Vec<Flow> = ids.map(|id| column(index(id, "index"))).collect();
        if let Some(chosen) = value["projection_ids"].as_array().filter(|chosen| !chosen.is_empty()) {
            columns =
                chosen.iter().filter_map(|at| columns.get(usize::try_from(at.as_u64()?).ok()?).cloned()).collect();
        }
        let beside = value["projected_input"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        columns.extend(beside.map(|at| below.column(usize::try_from(at).unwrap_or(usize::MAX))));
        Ok(PlanRows { columns, bindings: Vec::new(), decides: below.decides }.named(table))
    }

    fn aggregate(&mut self, value: &Value) -> Result<PlanRows, String> {
        let below = self.child(value, 0)?;
        let groups = self.all(&value["groups"], &below);
        let mut decides = below.decides.clone();
        decides.extend(groups.iter().flat_map(Flow::all));
        let number = groups.len();
        let calls = self.all(&value["expressions"], &below);
        let sets = value["grouping_functions"].as_array().map_or(0, Vec::len);
        let bindings = (0..number)
            .map(|at| (index(value, "group_index"), at))
            .chain((0..calls.len()).map(|at| (index(value, "aggregate_index"), at)))
            .chain((0..sets).map(|at| (index(value, "groupings_index"), at)))
            .collect();
        let columns = groups.into_iter().chain(calls).chain(vec![Flow::default(); sets]).collect();
        Ok(PlanRows { columns, bindings, decides })
    }

    /// The input rows with additional columns.
    fn appended(&mut self, value: &Value, table: &str) -> Result<PlanRows, String> {
        let below = self.child(value, 0)?;
        let added = PlanRows::of(self.all(&value["expressions"], &below)).named(index(value, table));
        Ok(below.beside(added))
    }

    fn join(&mut self, value: &Value) -> Result<PlanRows, String> {
        let is_correlated = text(value, "type") == "LOGICAL_DELIM_JOIN";
        let left = self.child(value, 0)?;
        let right = if is_correlated {
            self.outer.push(self.all(&value["duplicate_eliminated_columns"], &left));
            let right = self.child(value, 1);
            self.outer.pop();
            right?
        } else {
            self.child(value, 1)?
        };
        let mut conditions = std::collections::BTreeSet::new();
        for condition in value["conditions"].as_array().into_iter().flatten() {
            // The condition that the correlated columns are equal adds nothing to their use in the subquery.
            if !(is_correlated && text(condition, "comparison") == "COMPARE_NOT_DISTINCT_FROM") {
                conditions.extend(used(&condition["left"], &left));
                conditions.extend(used(&condition["right"], &right));
            }
        }
        let both = left.clone().beside(right.clone());
        conditions.extend(used(&value["condition"], &both));
        conditions.extend(used(&value["predicate"], &both));
        let (left_map, right_map) = (&value["left_projection_map"], &value["right_projection_map"]);
        let (mut left, mut right) = (project(left, left_map), project(right, right_map));
        Ok(match text(value, "join_type") {
            "MARK" => {
                conditions.append(&mut right.decides);
                let mark = PlanRows::of(vec![Flow::computed(conditions)]).named(index(value, "mark_index"));
                left.beside(mark)
            }
            "SEMI" | "ANTI" => {
                left.decides.extend(conditions);
                left.decides.append(&mut right.decides);
                left
            }
            "RIGHT_SEMI" | "RIGHT_ANTI" => {
                right.decides.extend(conditions);
                right.decides.append(&mut left.decides);
                right
            }
            "SINGLE" => {
                // A scalar subquery changes only its own value, not the rows.
                conditions.append(&mut right.decides);
                let columns = std::mem::take(&mut right.columns).into_iter();
                right.columns = columns.map(|flow| flow.decided_by(conditions.clone())).collect();
                left.beside(right)
            }
            _ => {
                left.decides.extend(conditions);
                left.beside(right)
            }
        })
    }

    /// The rows of an ephemeral model's expression: its columns by name, so that the model is part of the lineage.
    fn ephemeral(&self, value: &Value) -> Option<PlanRows> {
        let name = text(value, "ctename").strip_prefix(CTE_PREFIX)?;
        let node = (self.names.ephemeral)(name)?;
        let names = bound_columns(&value["children"][1], index(value, "table_index"))?;
        Some(PlanRows::of(names.iter().map(|name| Flow::copy(Field::column(node, *name))).collect()))
    }
}

/// The column names of a common table expression, from the first place that reads it.
fn bound_columns(value: &Value, expression: usize) -> Option<Vec<&str>> {
    if text(value, "type") == "LOGICAL_CTE_REF" && index(value, "cte_index") == expression {
        return Some(value["bound_columns"].as_array()?.iter().filter_map(Value::as_str).collect());
    }
    value["children"].as_array()?.iter().find_map(|child| bound_columns(child, expression))
}

/// Each column comes from one of the two inputs.
fn united(parts: Vec<PlanRows>) -> PlanRows {
    let mut all = PlanRows::default();
    for part in parts {
        all.columns.resize(all.columns.len().max(part.columns.len()), Flow::default());
        all.columns.iter_mut().zip(part.columns).for_each(|(column, flow)| column.merge(flow));
        all.decides.extend(part.decides);
    }
    all
}

/// The columns that an operator returns; all of them if it does not list any.
fn project(rows: PlanRows, map: &Value) -> PlanRows {
    let Some(chosen) = map.as_array().filter(|chosen| !chosen.is_empty()) else { return rows };
    let chosen: Vec<usize> =
        chosen.iter().filter_map(|at| at.as_u64().and_then(|at| usize::try_from(at).ok())).collect();
    let none = (usize::MAX, usize::MAX);
    PlanRows {
        columns: chosen.iter().map(|at| rows.column(*at)).collect(),
        bindings: chosen.iter().map(|at| rows.bindings.get(*at).copied().unwrap_or(none)).collect(),
        decides: rows.decides,
    }
}
