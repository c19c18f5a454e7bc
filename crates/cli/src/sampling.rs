//! Flags that say how answers are chosen and where they end.

use quintet_models::{Generation, Processor, Sampling};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Answers")]
pub struct SamplingArgs {
    /// Most tokens of an answer
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub max_tokens: usize,
    /// Always take the likeliest token; this is the default
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p"])]
    greedy: bool,
    /// Divides the scores before a draw; 0 is greedy [default: 0, or 1 with --top-k, --top-p or
    /// --min-p]
    #[arg(long, value_name = "T", value_parser = not_negative)]
    temperature: Option<f32>,
    /// Draw among this many of the likeliest tokens
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    top_k: Option<usize>,
    /// Draw among the likeliest tokens that together reach this probability
    #[arg(long, value_name = "P", value_parser = probability)]
    top_p: Option<f32>,
    /// Draw among tokens at least this share as likely as the likeliest
    #[arg(long, value_name = "P", value_parser = probability)]
    min_p: Option<f32>,
    /// Above 1, tokens that were there already become less likely
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = positive)]
    repetition_penalty: f32,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// End the answer before this text; may be given several times
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub stop: Vec<String>,
}

impl SamplingArgs {
    /// The settings for a model with this processor.
    pub fn generation(&self, processor: &Processor) -> Generation {
        Generation {
            max_tokens: self.max_tokens,
            stop: processor.tokenizer.special().stop.clone(),
            sampling: self.sampling(),
        }
    }

    fn sampling(&self) -> Sampling {
        let drawn = self.top_k.is_some() || self.top_p.is_some() || self.min_p.is_some();
        let usual = Sampling::default();
        Sampling {
            repetition_penalty: self.repetition_penalty,
            temperature: self.temperature.unwrap_or(if drawn { 1.0 } else { 0.0 }),
            top_k: self.top_k.unwrap_or(usual.top_k),
            top_p: self.top_p.unwrap_or(usual.top_p),
            min_p: self.min_p.unwrap_or(usual.min_p),
            seed: self.seed,
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

fn number(text: &str, fits: impl Fn(f32) -> bool, range: &str) -> Result<f32, String> {
    let number: f32 = text.parse().map_err(|_| format!("not a number; expected {range}"))?;
    if fits(number) { Ok(number) } else { Err(format!("expected {range}")) }
}

fn not_negative(text: &str) -> Result<f32, String> {
    number(text, |x| x >= 0.0 && x.is_finite(), "0 or more")
}

fn positive(text: &str) -> Result<f32, String> {
    number(text, |x| x > 0.0 && x.is_finite(), "more than 0")
}

fn probability(text: &str) -> Result<f32, String> {
    number(text, |x| (0.0..=1.0).contains(&x), "0 to 1")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        sampling: SamplingArgs,
    }

    fn parse(text: &str) -> Result<Sampling, String> {
        let words = std::iter::once("x").chain(text.split_whitespace());
        let flags = Flags::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(flags.sampling.sampling())
    }

    #[test]
    fn greedy_unless_a_draw_is_asked_for() {
        assert_eq!(parse("").unwrap(), Sampling::default());
        assert_eq!(parse("--greedy").unwrap(), Sampling::default());
        assert_eq!(parse("--top-k 5").unwrap().temperature, 1.0);
        assert_eq!(parse("--top-p 0.9 --temperature 0.5").unwrap().temperature, 0.5);
        assert_eq!(parse("--min-p 0.1 --temperature 0").unwrap().temperature, 0.0);
    }

    #[test]
    fn senseless_values_are_refused() {
        for flags in [
            "--temperature -1",
            "--temperature nan",
            "--top-p 1.5",
            "--min-p x",
            "--top-k 0",
            "--max-tokens 0",
            "--repetition-penalty 0",
            "--greedy --top-k 3",
            "--seed -1",
        ] {
            assert!(parse(flags).is_err(), "{flags}");
        }
    }
}
