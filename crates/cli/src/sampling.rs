//! Flags that say how answers are chosen.

use quintet_models::{Generation, Processor, Sampling};

#[derive(clap::Args)]
pub struct SamplingArgs {
    /// Most tokens of an answer
    #[arg(long, default_value_t = 256)]
    max_tokens: usize,
    /// 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Keep this many of the likeliest tokens; 0 keeps all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Keep the likeliest tokens that together reach this probability
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Drop tokens less likely than this share of the likeliest
    #[arg(long, default_value_t = 0.0)]
    min_p: f32,
    /// Above 1, tokens that were already there become less likely
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl SamplingArgs {
    /// The settings for a model with this processor.
    pub fn generation(&self, processor: &Processor) -> Generation {
        Generation {
            max_tokens: self.max_tokens,
            stop: stop_ids(processor),
            sampling: Sampling {
                repetition_penalty: self.repetition_penalty,
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                min_p: self.min_p,
                seed: self.seed,
            },
        }
    }
}

fn stop_ids(processor: &Processor) -> Vec<u32> {
    let special = processor.tokenizer.special();
    special.stop.iter().copied().chain(special.eos.as_ref().map(|token| token.id)).collect()
}
