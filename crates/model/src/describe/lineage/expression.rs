//! The fields from which an expression of a bound plan computes its value.
//!
//! Reads DuckDB's JSON of bound expressions (`json_serialize_plan`, DuckDB 1.5). An expression that is not known by
//! name counts as computed from all of its parts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::flow::{Field, Flow};
use super::rows::PlanRows;
use elt_base::path::Step;

/// Functions that return a part of their list unchanged, or another list of its elements.
const SAME_LIST: [&str; 22] = [
    "array_slice",
    "list_slice",
    "list_sort",
    "array_sort",
    "list_reverse_sort",
    "array_reverse_sort",
    "list_reverse",
    "array_reverse",
    "list_distinct",
    "array_distinct",
    "list_unique",
    "list_where",
    "array_where",
    "list_select",
    "array_select",
    "list_resize",
    "array_resize",
    "list_filter",
    "array_filter",
    "filter",
    "array_to_list",
    "remap_struct",
];

const ELEMENT_OF: [&str; 4] = ["array_extract", "list_extract", "list_element", "element_at"];
const LISTS_TOGETHER: [&str; 8] = [
    "list_concat",
    "list_cat",
    "array_concat",
    "array_cat",
    "list_append",
    "array_append",
    "list_prepend",
    "concat_list",
];
const LIST_OF: [&str; 3] = ["list_value", "list_pack", "unpivot_list"];
const STRUCT_OF: [&str; 3] = ["struct_pack", "row", "struct_concat"];
const TRANSFORMS: [&str; 5] = ["list_transform", "array_transform", "list_apply", "array_apply", "apply"];
const IN_JSON: [&str; 6] =
    ["json_extract", "json_extract_path", "json_extract_string", "json_extract_path_text", "->", "->>"];

/// Aggregates whose value is one of the values of the first argument.
const ONE_OF: [&str; 16] = [
    "first",
    "last",
    "any_value",
    "arbitrary",
    "min",
    "max",
    "mode",
    "arg_min",
    "arg_max",
    "min_by",
    "max_by",
    "arg_min_null",
    "arg_max_null",
    "lag",
    "lead",
    "nth_value",
];
const LISTS_OF_ROWS: [&str; 2] = ["list", "array_agg"];

/// A bound expression over its input rows.
pub(super) fn expression(value: &Value, rows: &PlanRows) -> Flow {
    let child = |name: &str| expression(&value[name], rows);
    match text(value, "expression_class") {
        "BOUND_REF" => rows.column(index(value, "index")),
        "BOUND_COLUMN_REF" => {
            let binding = &value["binding"];
            rows.bound(index(binding, "table_index"), index(binding, "column_index"))
        }
        "BOUND_CONSTANT" => Flow::default(),
        "BOUND_CAST" => child("child"),
        "BOUND_UNNEST" => child("child").then(&Step::Element),
        "BOUND_FUNCTION" => function(value, rows),
        "BOUND_AGGREGATE" => aggregate(value, rows),
        "BOUND_WINDOW" => window(value, rows),
        "BOUND_CASE" => case(value, rows),
        "BOUND_OPERATOR" if text(value, "type") == "OPERATOR_COALESCE" => either(children(value, rows)),
        "BOUND_OPERATOR" if text(value, "type") == "OPERATOR_TRY" => either(children(value, rows)),
        _ => whole(value, rows),
    }
}

/// All fields that are used anywhere in a part of a plan, as one condition.
pub(super) fn used(value: &Value, rows: &PlanRows) -> BTreeSet<Field> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| used(item, rows)).collect(),
        Value::Object(object) if object.contains_key("expression_class") => expression(value, rows).all(),
        Value::Object(object) => object.values().flat_map(|item| used(item, rows)).collect(),
        _ => BTreeSet::new(),
    }
}

/// The value is computed from every direct child expression.
fn whole(value: &Value, rows: &PlanRows) -> Flow {
    let mut all = Flow::default();
    let Some(object) = value.as_object() else { return all };
    for item in object.values() {
        below(item, rows, &mut all);
    }
    all.into_computed()
}

fn below(value: &Value, rows: &PlanRows, all: &mut Flow) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| below(item, rows, all)),
        Value::Object(object) if object.contains_key("expression_class") => all.merge(expression(value, rows)),
        Value::Object(object) => object.values().for_each(|item| below(item, rows, all)),
        _ => {}
    }
}

fn function(value: &Value, rows: &PlanRows) -> Flow {
    let name = text(value, "name");
    let mut arguments = children(value, rows);
    let first = |arguments: &[Flow]| arguments.first().cloned().unwrap_or_default();
    let lambda = &value["function_data"]["lambda_expr"];
    if lambda.is_object() {
        let inner = in_lambda(value, lambda, &arguments);
        return if TRANSFORMS.contains(&name) {
            Flow::of_parts([(Step::Element, inner)])
        } else if SAME_LIST.contains(&name) {
            first(&arguments).decided_by(inner.all())
        } else {
            let mut all = first(&arguments);
            all.merge(inner);
            all.into_computed()
        };
    }
    let key = || constant(value, 1).and_then(Value::as_str);
    if name == "struct_extract" || ELEMENT_OF.contains(&name) || name == "struct_extract_at" {
        let of = &value["children"][0]["return_type"];
        let step = match text(of, "id") {
            "STRUCT" => {
                let at = constant(value, 1).and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
                key().map(str::to_owned).or_else(|| member(of, at?.checked_sub(1)?)).map(Step::Key)
            }
            "MAP" => return Flow::of_parts([(Step::Element, first(&arguments).then(&Step::AnyKey))]),
            "LIST" | "ARRAY" => Some(Step::Element),
            _ => None,
        };
        if let Some(step) = step {
            return first(&arguments).then(&step);
        }
    }
    if name == "map_extract_value" {
        return first(&arguments).then(&Step::AnyKey);
    }
    if name == "map_extract" {
        return Flow::of_parts([(Step::Element, first(&arguments).then(&Step::AnyKey))]);
    }
    if STRUCT_OF.contains(&name)
        && let Some(names) = members(&value["function_data"]["variable_return_type"])
        && names.len() == arguments.len()
        && names.iter().all(|name| !name.is_empty())
    {
        return Flow::of_parts(names.into_iter().map(Step::Key).zip(arguments));
    }
    if name == "struct_insert" || name == "struct_update" {
        let names = members(&value["function_data"]["variable_return_type"]).unwrap_or_default();
        if names.len() + 1 >= arguments.len() && !arguments.is_empty() {
            let new = arguments.split_off(1);
            let at = names.len() - new.len();
            let mut all = first(&arguments);
            all.merge(Flow::of_parts(names.into_iter().skip(at).map(Step::Key).zip(new)));
            return all;
        }
    }
    if LIST_OF.contains(&name) {
        return Flow::of_parts(arguments.into_iter().map(|flow| (Step::Element, flow)));
    }
    if LISTS_TOGETHER.contains(&name) {
        return either(arguments.into_iter().enumerate().map(|(index, flow)| {
            let is_list = text(&value["children"][index]["return_type"], "id") == "LIST";
            if is_list { flow } else { Flow::of_parts([(Step::Element, flow)]) }
        }));
    }
    if SAME_LIST.contains(&name) && !arguments.is_empty() {
        let rest = arguments.split_off(1);
        return first(&arguments).decided_by(rest.iter().flat_map(Flow::all).collect());
    }
    if name == "ifnull" {
        return either(arguments);
    }
    if IN_JSON.contains(&name)
        && let Some(steps) = constant(value, 1).and_then(json_steps)
    {
        return steps.iter().fold(first(&arguments), |flow, step| flow.then(step));
    }
    either(arguments).into_computed()
}

/// The value of a lambda's body. Its references are, in this order, the parameters from the last to the first, then the
/// arguments of the function after the list.
fn in_lambda(function: &Value, lambda: &Value, arguments: &[Flow]) -> Flow {
    let children: &[Value] = function["children"].as_array().map_or(&[], Vec::as_slice);
    let captured = children.get(1..).unwrap_or_default();
    let element_type = &children.first().unwrap_or(&Value::Null)["return_type"]["type_info"]["child_type"];
    let element = arguments.first().map(|list| list.then(&Step::Element)).unwrap_or_default();
    let mut references = Vec::new();
    collect_references(lambda, &mut references);
    let fits = |parameters: usize| {
        references.iter().all(|(at, kind)| {
            *at < parameters || captured.get(at - parameters).is_some_and(|known| known["return_type"] == **kind)
        })
    };
    let Some(parameters) = (1..=3).find(|parameters| fits(*parameters)) else {
        return either(arguments.iter().cloned());
    };
    // A parameter that is not an element is its position, unless the list is reduced.
    let is_reduced = text(function, "name").contains("reduce");
    let is_element = |at: usize| {
        let kind = references.iter().find(|(index, _)| *index == at).map(|(_, kind)| *kind);
        parameters == 1 || is_reduced || kind.is_none_or(|kind| kind == element_type)
    };
    let parameter = |at| if is_element(at) { element.clone() } else { Flow::default() };
    let columns = (0..parameters).map(parameter).chain(arguments.get(1..).unwrap_or_default().iter().cloned());
    expression(lambda, &PlanRows::of(columns.collect()))
}

fn collect_references<'v>(value: &'v Value, found: &mut Vec<(usize, &'v Value)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Object(object) if text(value, "expression_class") == "BOUND_REF" => {
            found.push((index(value, "index"), &object["return_type"]));
        }
        // The body of a nested lambda has its own references.
        Value::Object(object) => {
            let items = object.iter().filter(|(key, _)| key.as_str() != "lambda_expr");
            items.for_each(|(_, item)| collect_references(item, found));
        }
        _ => {}
    }
}

fn aggregate(value: &Value, rows: &PlanRows) -> Flow {
    let mut arguments = children(value, rows);
    let rest = arguments.split_off(arguments.len().min(1));
    let mut decides = used(&value["filter"], rows);
    decides.extend(used(&value["order_bys"], rows));
    let name = text(value, "name");
    let flow = if ONE_OF.contains(&name) {
        decides.extend(rest.iter().flat_map(Flow::all));
        either(arguments)
    } else if LISTS_OF_ROWS.contains(&name) {
        Flow::of_parts(arguments.into_iter().map(|flow| (Step::Element, flow)))
    } else {
        either(arguments.into_iter().chain(rest)).into_computed()
    };
    // `count(*) filter (…)` uses only the filter.
    if flow.is_constant() && !decides.is_empty() { Flow::computed(decides) } else { flow.decided_by(decides) }
}

fn window(value: &Value, rows: &PlanRows) -> Flow {
    let mut around = used(&value["partitions"], rows);
    around.extend(used(&value["orders"], rows));
    let kind = text(value, "type");
    let mut flow = aggregate(value, rows);
    if kind != "WINDOW_AGGREGATE" {
        flow = either(children(value, rows).into_iter().take(1));
        flow.merge(expression(&value["default_expr"], rows));
    }
    let beside = ["filter_expr", "offset_expr", "start_expr", "end_expr", "arg_orders"];
    let beside: BTreeSet<Field> = beside.iter().flat_map(|name| used(&value[*name], rows)).collect();
    // A rank has no argument: its order determines its value.
    let is_rank = flow.is_constant() && kind != "WINDOW_AGGREGATE";
    let mut flow = if is_rank { Flow::computed(around) } else { flow.decided_by(around) };
    flow = flow.decided_by(beside);
    flow
}

fn case(value: &Value, rows: &PlanRows) -> Flow {
    let checks: &[Value] = value["case_checks"].as_array().map_or(&[], Vec::as_slice);
    let mut flow = either(checks.iter().map(|check| expression(&check["then_expr"], rows)));
    flow.merge(expression(&value["else_expr"], rows));
    let when: BTreeSet<Field> = checks.iter().flat_map(|check| used(&check["when_expr"], rows)).collect();
    // If each branch is a constant, the value depends only on the conditions.
    if flow.is_constant() { Flow::computed(when) } else { flow.decided_by(when) }
}

pub(super) fn either(flows: impl IntoIterator<Item = Flow>) -> Flow {
    let mut all = Flow::default();
    flows.into_iter().for_each(|flow| all.merge(flow));
    all
}

fn children(value: &Value, rows: &PlanRows) -> Vec<Flow> {
    value["children"].as_array().into_iter().flatten().map(|child| expression(child, rows)).collect()
}

/// The constant value of an argument, also inside casts.
fn constant(value: &Value, at: usize) -> Option<&Value> {
    let mut argument = value["children"].get(at)?;
    while text(argument, "expression_class") == "BOUND_CAST" {
        argument = &argument["child"];
    }
    Some(&argument["value"]["value"])
}

/// The names of a STRUCT type's fields.
fn members(struct_type: &Value) -> Option<Vec<String>> {
    let fields = struct_type["type_info"]["child_types"].as_array()?;
    Some(fields.iter().map(|field| text(field, "first").to_owned()).collect())
}

fn member(struct_type: &Value, at: usize) -> Option<String> {
    members(struct_type)?.into_iter().nth(at)
}

/// The steps of a path into JSON: a key, or DuckDB's `$.a."b c"[0]`. None for a path with wildcards.
fn json_steps(path: &Value) -> Option<Vec<Step>> {
    let text = match path {
        Value::Number(_) => return Some(vec![Step::Element]),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    if let Some(pointer) = text.strip_prefix('/') {
        return Some(pointer.split('/').map(|key| Step::Key(key.replace("~1", "/").replace("~0", "~"))).collect());
    }
    let Some(mut rest) = text.strip_prefix('$') else { return Some(vec![Step::Key(text.to_owned())]) };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (at, after) = inner.split_once(']')?;
            at.trim_start_matches("#-").parse::<u64>().ok()?;
            steps.push(Step::Element);
            rest = after;
            continue;
        }
        let key = rest.strip_prefix('.')?;
        if let Some(quoted) = key.strip_prefix('"') {
            let (key, after) = quoted.split_once('"')?;
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else {
            let end = key.find(['.', '[']).unwrap_or(key.len());
            if key[..end].contains('*') || end == 0 {
                return None;
            }
            steps.push(Step::Key(key[..end].to_owned()));
            rest = &key[end..];
        }
    }
    Some(steps)
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// A position. An omitted position is 0, and an invalid one is after the last element.
pub(super) fn index(value: &Value, name: &str) -> usize {
    match &value[name] {
        Value::Null => 0,
        number => number.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(usize::MAX),
    }
}
