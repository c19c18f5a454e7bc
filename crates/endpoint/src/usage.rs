//! Tokens and money.

use std::{iter::Sum, ops::AddAssign};

use serde::{Deserialize, Serialize};

/// What requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Answered requests.
    pub requests: u64,
    /// Those of them whose answers did not say how many tokens they took; the tokens below leave
    /// them out.
    pub unreported: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.unreported = self.unreported.saturating_add(other.unreported);
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// What a million tokens cost, in any currency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Read.
    pub prompt: f64,
    /// Written.
    pub completion: f64,
}

impl Prices {
    /// What this many tokens cost, in the currency of the prices.
    pub fn cost(&self, usage: &Usage) -> f64 {
        let read = usage.prompt_tokens as f64 * self.prompt;
        (read + usage.completion_tokens as f64 * self.completion) / 1e6
    }
}
