//! Macros of the project and of the tool. Any template can call them by their plain names.

use std::cell::Cell;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Tuple, Value, from_args};
use minijinja::{Error, ErrorKind, State};

use super::refusal::Refusal;
use super::scope::{Marks, lock, scope};
use crate::template::markup::{MACRO_PREFIX, MARK_ENTER, MARK_LEAVE};

/// A macro, rendered in a separate template with the caller's scope.
#[derive(Debug)]
pub(crate) struct ProjectMacro {
    pub name: String,
    /// The template that contains it.
    pub file: String,
}

impl Object for ProjectMacro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        /// Macros that call each other more deeply than this never end.
        const DEPTH_MAX: usize = 60;
        thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });
        struct Deeper;
        impl Drop for Deeper {
            fn drop(&mut self) {
                DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
            }
        }
        let scope = scope(state)?;
        let depth = DEPTH.with(|depth| depth.replace(depth.get() + 1));
        let _deeper = Deeper;
        if depth >= DEPTH_MAX {
            return Err(Refusal::new(format!("macro `{}` calls itself endlessly", self.name)).into());
        }
        let inner = format!("{MACRO_PREFIX}{}", self.name);
        let args = with_block(state, args)?;
        let called = state.env().get_template(&self.file).and_then(|template| {
            let mut captured = template.render_captured(Value::from_dyn_object(scope.clone()))?;
            captured.with_state_mut(|state| {
                let args = with_rest(state, &inner, &args)?;
                let called = state.call_macro(&inner, &args);
                scope.used.macro_steps(state.fuel_levels().map_or(0, |(consumed, _)| consumed))?;
                called
            })
        });
        match called {
            Ok(text) if scope.setting.marks == Marks::All => Ok(Value::from(format!("{MARK_ENTER}{text}{MARK_LEAVE}"))),
            Ok(text) => Ok(Value::from(text)),
            Err(error) => match lock(&scope.heard).returned.take() {
                Some(value) => Ok(value),
                // Keeps the place inside the macro. The call's own place is added by the callers.
                None if error.line().is_some() => {
                    Err(Error::new(ErrorKind::InvalidOperation, format!("macro `{}` failed", self.name))
                        .with_source(error))
                }
                None => Err(error),
            },
        }
    }
}

fn split(args: &[Value]) -> Result<(Vec<Value>, Kwargs), Error> {
    let (positional, kwargs): (Rest<Value>, Kwargs) = from_args(args)?;
    Ok((positional.0, kwargs))
}

/// Replaces a `{% call %}` block by its text, because a block can be rendered only in its own template.
fn with_block(state: &mut State<'_, '_>, args: &[Value]) -> Result<Vec<Value>, Error> {
    let (positional, kwargs) = split(args)?;
    let Ok(caller) = kwargs.get::<Value>("caller") else { return Ok(args.to_vec()) };
    if caller.is_undefined() || caller.downcast_object_ref::<OpenBlock>().is_some() {
        return Ok(args.to_vec());
    }
    let takes = caller.get_attr("arguments").ok().and_then(|names| names.len()).unwrap_or(0);
    let text = if takes == 0 { Some(caller.call(state, &[])?) } else { None };
    let mut named: Vec<(String, Value)> = Vec::new();
    for name in kwargs.args().filter(|name| *name != "caller") {
        named.push((name.to_owned(), kwargs.get(name)?));
    }
    named.push(("caller".into(), Value::from_object(OpenBlock(text))));
    let mut all = positional;
    all.push(Kwargs::from_iter(named).into());
    Ok(all)
}

/// Unexpected arguments go to the parameters `varargs` and `kwargs` of macros that use them.
fn with_rest(state: &mut State<'_, '_>, inner: &str, args: &[Value]) -> Result<Vec<Value>, Error> {
    let Some(value) = state.lookup(inner) else { return Ok(args.to_vec()) };
    let names: Vec<String> = value.get_attr("arguments")?.try_iter()?.map(|name| name.to_string()).collect();
    let has = |rest: &str| names.iter().any(|name| name == rest);
    let (has_varargs, has_kwargs) = (has("varargs"), has("kwargs"));
    if !has_varargs && !has_kwargs {
        return Ok(args.to_vec());
    }
    let (positional, kwargs) = split(args)?;
    let own: Vec<&String> = names.iter().filter(|name| *name != "varargs" && *name != "kwargs").collect();
    let foreseen = positional.len().min(if has_varargs { own.len() } else { positional.len() });
    let mut named: Vec<(String, Value)> = Vec::new();
    let mut rest: Vec<(String, Value)> = Vec::new();
    for name in kwargs.args() {
        let is_own = own.iter().any(|own| *own == name) || name == "caller" || !has_kwargs;
        let value = (name.to_owned(), kwargs.get(name)?);
        if is_own { named.push(value) } else { rest.push(value) }
    }
    if has_varargs {
        named.push(("varargs".into(), Value::from(Tuple::from(positional[foreseen..].to_vec()))));
    }
    if has_kwargs {
        named.push(("kwargs".into(), Value::from_pairs(rest)));
    }
    let mut all = positional[..foreseen].to_vec();
    all.push(Kwargs::from_iter(named).into());
    Ok(all)
}

/// A rendered `{% call %}` block. None for a block that has arguments.
#[derive(Debug)]
struct OpenBlock(Option<Value>);

impl Object for OpenBlock {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        self.0.clone().ok_or_else(|| {
            Refusal::new("a `call` block with its own arguments is not supported for macros of other files")
                .hint("pass the macro a list and loop over it in the macro, or define the macro in the same file")
                .into()
        })
    }
}
