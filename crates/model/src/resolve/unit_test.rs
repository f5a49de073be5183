//! Resolves the inputs of unit tests.
//!
//! Knows drafts and names. Does not interpret rows.

use std::collections::HashMap;
use std::sync::Arc;

use crate::graph::{Call, NodeId};
use crate::messages;
use crate::parse::ProjectParser;

impl ProjectParser<'_> {
    /// Resolves the inputs of unit tests, and reports inputs that name no node.
    pub(crate) fn unit_test_inputs(&mut self, targets: &HashMap<Call, NodeId>) {
        let mut errors = Vec::new();
        for draft in &mut self.drafts {
            let model = draft.calls.first().and_then(|heard| targets.get(&heard.call)).copied();
            let (Some(test), Some(model)) = (draft.node.unit_test.as_mut(), model) else { continue };
            let test = Arc::make_mut(test);
            test.model = model;
            for given in &mut test.given {
                match targets.get(&given.call) {
                    Some(id) => given.input = *id,
                    None => {
                        errors.push(messages::unit_test_input(&draft.node.name, &given.written, given.place.clone()));
                    }
                }
            }
        }
        self.errors.extend(errors);
    }
}
