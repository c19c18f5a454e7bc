//! Events of a text.

use serde::Deserialize;

use super::expression::Expression;
use crate::{
    Lanes,
    event::{Direction, Watch},
};

/// One entry of `[events]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub when: String,
    #[serde(default)]
    direction: Direction,
    #[serde(default = "yes")]
    stop: bool,
}

fn yes() -> bool {
    true
}

/// Expressions that are watched.
#[derive(Debug, Default)]
pub struct Events(Vec<(Expression, Watch)>);

impl Events {
    pub(super) fn add(&mut self, expression: Expression, entry: &Entry) {
        let Entry { direction, stop: stops, .. } = *entry;
        self.0.push((expression, Watch { direction, stops }));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How one of them is watched.
    pub(crate) fn watch(&self, event: usize) -> Watch {
        self.0[event].1
    }

    /// Its value in each lane.
    pub(crate) fn value(&self, event: usize, t: Lanes, u: &[Lanes], p: &[Lanes]) -> Lanes {
        self.0[event].0.value(t, u, p, &mut Vec::new())
    }
}
