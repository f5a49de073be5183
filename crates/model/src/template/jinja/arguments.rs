//! The arguments of a call, by position or by name, as in Python.

use minijinja::Error;
use minijinja::value::{Kwargs, Rest, Value, from_args};

use super::refusal::Refusal;

/// The arguments of a function call.
pub(super) struct Arguments {
    /// The function's name in messages.
    function: &'static str,
    pub positional: Vec<Value>,
    pub named: Kwargs,
}

impl Arguments {
    pub fn read(function: &'static str, args: &[Value]) -> Result<Self, Error> {
        let (positional, named): (Rest<Value>, Kwargs) = from_args(args)?;
        Ok(Self::of(function, positional, named))
    }

    pub fn of(function: &'static str, positional: Rest<Value>, named: Kwargs) -> Self {
        Self { function, positional: positional.0, named }
    }

    /// The argument at a position, or with a name. None if it is absent or none.
    pub fn get(&self, index: usize, name: &str) -> Option<Value> {
        let given = self.positional.get(index).cloned().or_else(|| self.named.get::<Value>(name).ok());
        given.filter(|value| !value.is_none() && !value.is_undefined())
    }

    pub fn need(&self, index: usize, name: &str) -> Result<Value, Error> {
        self.get(index, name)
            .ok_or_else(|| Refusal::new(format!("`{}` needs its argument `{name}`", self.function)).into())
    }

    /// An argument as text. An argument that is not text is an error.
    pub fn text(&self, index: usize, name: &str) -> Result<String, Error> {
        self.need(index, name).map(|value| value.to_string())
    }

    pub fn flag(&self, index: usize, name: &str, default: bool) -> bool {
        self.get(index, name).map_or(default, |value| value.is_true())
    }
}
