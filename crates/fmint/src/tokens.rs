//! Trajectories as tokens, and which of them see which.
//!
//! Letters of shapes: `n` trajectories or rows of a batch, `m` times, `g` tokens for each time, `d`
//! components of a state, `f` numbers in a token.

use crate::{Answer, Config, Scale, Tokens, config::waves};

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The coarse solution ("condition").
    Condition,
    /// Its error ("QoI key and value").
    Value,
    /// That its error is asked for ("QoI key").
    Key,
}

/// The tokens of one kind of a trajectory: `m · g` in the order of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the trajectory among the demos; that of the query is the number of demos.
    pub pair: usize,
    /// What its tokens say.
    pub kind: Kind,
}

/// A trajectory of one system.
#[derive(Clone, Copy, Debug)]
pub struct Trajectory<'a> {
    /// The coarse solution, the first state included, `[m + 1, d]`.
    pub coarse: &'a [f64],
    /// What is to be predicted, `[m, d]`, if it is known.
    pub answer: Option<&'a [f64]>,
}

/// What is added to the score of a token that is not seen.
const HIDDEN: f32 = -1e30;

impl Config {
    /// The parts of a demo.
    pub fn demo_parts(&self, pair: usize) -> Vec<Part> {
        let part = |kind| Part { pair, kind };
        match self.tokens {
            Tokens::Published => vec![part(Kind::Condition), part(Kind::Value)],
            Tokens::Joined => vec![part(Kind::Value)],
        }
    }

    /// The parts of a query.
    pub fn query_parts(&self, pair: usize) -> Vec<Part> {
        let part = |kind| Part { pair, kind };
        match self.tokens {
            Tokens::Published => vec![part(Kind::Condition), part(Kind::Key)],
            Tokens::Joined => vec![part(Kind::Key)],
        }
    }

    /// The parts of a training sequence of so many pairs, in which each but the first is asked for and
    /// each but the last is shown: the same answers as of as many prompts as there are queries.
    pub fn training_parts(&self, pairs: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        for pair in 0..pairs {
            let part = |kind| Part { pair, kind };
            if self.tokens == Tokens::Published {
                parts.push(part(Kind::Condition));
            }
            if pair + 1 < pairs {
                parts.push(part(Kind::Value));
            }
            if pair > 0 {
                parts.push(part(Kind::Key));
            }
        }
        parts
    }

    /// Whether tokens of a part see those of another; within keys of the published model, only each
    /// itself.
    pub fn sees(&self, query: Part, key: Part) -> bool {
        use Kind::{Condition, Key, Value};
        if query.pair != key.pair {
            // Demos that do not see one another have no order.
            let asks = self.tokens == Tokens::Published || query.kind == Key;
            return asks && key.pair < query.pair && key.kind != Key;
        }
        match (query.kind, key.kind) {
            (_, Condition) => true,
            (Value, Value) | (Key, Key) => true,
            (Condition, Value) | (Condition, Key) | (Value, Key) | (Key, Value) => false,
        }
    }

    /// The additive mask of parts of `len` tokens each, `[queries · len, keys · len]`.
    pub fn bias(&self, queries: &[Part], keys: &[Part], len: usize) -> Vec<f32> {
        let mut bias = vec![HIDDEN; queries.len() * len * keys.len() * len];
        for (row, values) in bias.chunks_exact_mut(keys.len() * len).enumerate() {
            let (query, token) = (queries[row / len], row % len);
            for (key, values) in keys.iter().zip(values.chunks_exact_mut(len)) {
                if !self.sees(query, *key) {
                    continue;
                }
                let alone = self.tokens == Tokens::Published && key.kind == Kind::Key;
                match alone {
                    true => values[token] = 0.0,
                    false => values.fill(0.0),
                }
            }
        }
        bias
    }

    /// Which vector says what each token of a part is, `[m · g]`.
    pub fn kind_ids(&self, part: Part, m: usize, g: usize) -> impl Iterator<Item = i32> {
        let first = match self.tokens {
            Tokens::Published => 3 * part.pair + part.kind as usize,
            Tokens::Joined => usize::from(part.kind == Kind::Key),
        };
        (0..m).flat_map(move |_| (0..g).map(move |group| (first + 2 * group) as i32))
    }

    /// The numbers of a part's tokens, `[m · g, f]`, appended to `features`. `times` are those of the
    /// trajectory, the first state's included, `[m + 1]`.
    pub fn write(
        &self,
        part: Part,
        trajectory: Trajectory<'_>,
        (times, scale): (&[f64], &Scale),
        features: &mut Vec<f32>,
    ) {
        let d = scale.middle.len();
        let (start, end) = (times[0], times[times.len() - 1]);
        for point in 1..times.len() {
            // ICON-LM is told the first state only.
            let known = if self.answer == Answer::Error { point } else { 0 };
            let state = &trajectory.coarse[known * d..][..d];
            let before = &trajectory.coarse[known.saturating_sub(1) * d..][..d];
            let answer = trajectory.answer.filter(|_| part.kind == Kind::Value);
            let answer = answer.map(|answer| &answer[(point - 1) * d..][..d]);
            for first in (0..d).step_by(self.components) {
                let each = |f: &dyn Fn(usize) -> f64| {
                    let number = |c: usize| if c < d { f(c) as f32 } else { 0.0 };
                    (first..first + self.components).map(number).collect::<Vec<f32>>()
                };
                match self.tokens {
                    Tokens::Published => {
                        features.push(times[point] as f32);
                        features.extend(match (part.kind, answer) {
                            (Kind::Condition, _) => each(&|c| state[c]),
                            (_, Some(answer)) => each(&|c| answer[c]),
                            (_, None) => each(&|_| 0.0),
                        });
                    }
                    Tokens::Joined => {
                        let share = (times[point] - start) / (end - start);
                        let place = |c: usize| (state[c] - scale.middle[c]) / scale.spread[c];
                        let step = |c: usize| (state[c] - before[c]) / scale.increment[c];
                        features.extend(waves(share));
                        features.extend(each(&place));
                        features.extend(each(&step));
                        // Errors add up along the way.
                        features.extend(each(&|c| share * place(c)));
                        features.extend(each(&|c| share * step(c)));
                        features.extend(match answer {
                            Some(answer) => each(&|c| self.normal(answer[c], c, scale)),
                            None => each(&|_| 0.0),
                        });
                    }
                }
            }
        }
    }

    /// An answer as the model gives it.
    pub fn normal(&self, answer: f64, component: usize, scale: &Scale) -> f64 {
        match (self.tokens, self.answer) {
            (Tokens::Published, _) => answer,
            (_, Answer::Error) => answer / scale.error[component],
            (_, Answer::Solution) => (answer - scale.middle[component]) / scale.spread[component],
        }
    }

    /// An answer in the units of the states, from what the model gave.
    pub fn restore(&self, given: f64, component: usize, scale: &Scale) -> f64 {
        match (self.tokens, self.answer) {
            (Tokens::Published, _) => given,
            (_, Answer::Error) => given * scale.error[component],
            (_, Answer::Solution) => given * scale.spread[component] + scale.middle[component],
        }
    }
}
