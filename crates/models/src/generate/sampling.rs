//! The choice of the next token.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How the next token is chosen from its scores. The filters apply in the order of the fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Divides positive scores and multiplies negative ones of tokens already there
    /// (Keskar et al., 2019, §4.1); 1 changes nothing.
    pub repetition_penalty: f32,
    /// Divides scores; 0 is greedy.
    pub temperature: f32,
    /// Keeps this many of the likeliest; 0 keeps all.
    pub top_k: usize,
    /// Keeps the likeliest that together reach this probability (Holtzman et al., 2020).
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest (Nguyen et al., 2024).
    pub min_p: f32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: 0,
        }
    }
}

/// The choices of one text.
#[derive(Clone, Debug)]
pub struct Sampler {
    options: Sampling,
    rng: ChaCha8Rng,
    /// Ids so far, without repetition, when they are penalised.
    seen: Vec<u32>,
}

impl Sampler {
    /// For the text number `stream` of a batch, which so far consists of `prompt`.
    pub fn new(options: &Sampling, stream: u64, prompt: &[u32]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(stream);
        let mut seen = Vec::new();
        if options.repetition_penalty != 1.0 {
            seen.extend_from_slice(prompt);
            seen.sort_unstable();
            seen.dedup();
        }
        Self { options: options.clone(), rng, seen }
    }

    /// Chooses a token.
    pub fn choose(&mut self, scores: &[f32]) -> u32 {
        let penalised = self.penalise(scores);
        let scores = penalised.as_deref().unwrap_or(scores);
        let id = if self.options.temperature <= 0.0 { greedy(scores) } else { self.draw(scores) };
        if self.options.repetition_penalty != 1.0
            && let Err(place) = self.seen.binary_search(&id)
        {
            self.seen.insert(place, id);
        }
        id
    }

    fn penalise(&self, scores: &[f32]) -> Option<Vec<f32>> {
        if self.seen.is_empty() {
            return None;
        }
        let penalty = self.options.repetition_penalty;
        let mut scores = scores.to_vec();
        for &id in &self.seen {
            if let Some(score) = scores.get_mut(id as usize) {
                *score = if *score > 0.0 { *score / penalty } else { *score * penalty };
            }
        }
        Some(scores)
    }

    fn draw(&mut self, scores: &[f32]) -> u32 {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.options;
        let mut ranked: Vec<(u32, f32)> =
            scores.iter().enumerate().map(|(id, score)| (id as u32, score / temperature)).collect();
        ranked.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if top_k > 0 {
            ranked.truncate(top_k);
        }
        let best = ranked.first().map_or(0.0, |first| first.1);
        for (_, score) in &mut ranked {
            *score = (*score - best).exp();
        }
        if top_p < 1.0 {
            let total: f32 = ranked.iter().map(|(_, chance)| chance).sum();
            let mut reached = 0.0;
            let keep = ranked.iter().take_while(|(_, chance)| {
                let before = reached;
                reached += chance / total;
                before < top_p
            });
            let keep = keep.count().max(1);
            ranked.truncate(keep);
        }
        // The likeliest has chance 1 before normalisation.
        ranked.retain(|(_, chance)| *chance >= min_p);
        let total: f32 = ranked.iter().map(|(_, chance)| chance).sum();
        let mut left = self.rng.random::<f32>() * total;
        for &(id, chance) in &ranked {
            left -= chance;
            if left <= 0.0 {
                return id;
            }
        }
        ranked.last().map_or_else(|| greedy(scores), |(id, _)| *id)
    }
}

/// The first of the highest scores; 0 when there are none.
fn greedy(scores: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, &score) in scores.iter().enumerate() {
        if score > best.1 {
            best = (id, score);
        }
    }
    best.0 as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(options: Sampling, scores: &[f32]) -> Vec<u32> {
        let mut sampler = Sampler::new(&options, 0, &[]);
        (0..400).map(|_| sampler.choose(scores)).collect()
    }

    #[test]
    fn greedy_takes_the_first_of_equals() {
        assert_eq!(draws(Sampling::default(), &[0.0, 2.0, 2.0])[..3], [1, 1, 1]);
    }

    #[test]
    fn filters_leave_out_the_unlikely() {
        let scores = [3.0, 2.0, 1.0, 0.0];
        let hot = Sampling { temperature: 1.0, ..Sampling::default() };
        let seen = |options| {
            let mut ids = draws(options, &scores);
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        assert_eq!(seen(hot.clone()), [0, 1, 2, 3]);
        assert_eq!(seen(Sampling { top_k: 2, ..hot.clone() }), [0, 1]);
        assert_eq!(seen(Sampling { top_p: 0.6, ..hot.clone() }), [0]);
        assert_eq!(seen(Sampling { min_p: 0.2, ..hot }), [0, 1]);
    }

    #[test]
    fn a_seed_fixes_the_draws_and_streams_differ() {
        let options = Sampling { temperature: 1.0, seed: 7, ..Sampling::default() };
        let scores = [0.5; 50];
        assert_eq!(draws(options.clone(), &scores), draws(options.clone(), &scores));
        let mut other = Sampler::new(&options, 1, &[]);
        let stream: Vec<u32> = (0..400).map(|_| other.choose(&scores)).collect();
        assert_ne!(draws(options, &scores), stream);
    }

    #[test]
    fn repetition_is_penalised() {
        let options = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        let mut sampler = Sampler::new(&options, 0, &[0]);
        assert_eq!(sampler.choose(&[1.0, 0.9, -1.0]), 1);
        assert_eq!(sampler.choose(&[1.0, 0.9, -0.1]), 0);
    }
}
