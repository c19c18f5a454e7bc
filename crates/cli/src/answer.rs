//! One answer of a model.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use quintet_data::sample::Sample;
use quintet_models::generate::TextStream;
use quintet_train::memory;

use crate::{model::Loaded, sampling::SamplingArgs};

/// What a model said.
pub struct Answer {
    pub text: String,
    /// Tokens it took, those of a stop string included.
    pub ids: Vec<u32>,
    pub seconds: f64,
}

impl Answer {
    /// Tokens per second, the reading of the question included.
    pub fn speed(&self) -> f64 {
        self.ids.len() as f64 / self.seconds.max(1e-9)
    }
}

impl Loaded {
    /// Continues a conversation; `say` receives the text as it comes. Ends early when `stop` is
    /// set, without a failure.
    pub fn answer(
        &self,
        conversation: &Sample,
        sampling: &SamplingArgs,
        stop: &AtomicBool,
        mut say: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Answer> {
        let started = Instant::now();
        if !conversation.media.is_empty() {
            self.must_see()?;
        }
        let prompt = self.processor.encode_prompt(conversation)?;
        self.check_length(prompt.ids.len(), sampling.max_tokens)?;
        let options = sampling.generation(&self.processor);
        let mut stream = TextStream::new(&self.processor.tokenizer, &sampling.stop);
        let mut failure: Option<anyhow::Error> = None;
        let texts = self.model.generate(vec![prompt], &options, |_, id| {
            let said = stream.push(id).map_err(anyhow::Error::new);
            let said = said.and_then(|piece| say(&piece));
            failure = said.err();
            match failure.is_some() || stream.ended() || stop.load(Ordering::SeqCst) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        say(&stream.finish()?)?;
        Ok(Answer {
            text: stream.text().trim().to_owned(),
            ids: texts.concat(),
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Refuses a prompt that is too long for the model or the machine, and warns of an answer that
    /// may become so.
    fn check_length(&self, prompt: usize, max_tokens: usize) -> anyhow::Result<()> {
        self.model.check_prompt(prompt)?;
        check_memory(prompt)?;
        let trained = self.model.text_config().context();
        let tokens = prompt.saturating_add(max_tokens);
        if tokens > trained {
            tracing::warn!(
                "the conversation may reach {tokens} tokens, but the model was trained on at most \
                 {trained}; expect worse answers"
            );
        }
        Ok(())
    }
}

/// Refuses to read so many tokens at once that the mask of what each sees does not fit into the
/// memory that is free. Where the system does not say what is free, nothing is refused.
pub fn check_memory(tokens: usize) -> anyhow::Result<()> {
    memory::available().map_or(Ok(()), |free| mask_fits(tokens, free))
}

/// Half of what is free is left for what is computed with the mask.
fn mask_fits(tokens: usize, free: u64) -> anyhow::Result<()> {
    let mask = (tokens as u64).saturating_pow(2).saturating_mul(size_of::<f32>() as u64);
    anyhow::ensure!(
        mask <= free / 2,
        "the text has {tokens} tokens, whose mask takes {} MiB of memory, but only {} MiB are free; \
         shorten it",
        mask >> 20,
        free >> 20
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::mask_fits;

    #[test]
    fn a_mask_that_does_not_fit_is_refused() {
        assert!(mask_fits(16_384, 2 << 30).is_ok());
        let error = mask_fits(30_000, 4 << 30).unwrap_err().to_string();
        assert!(error.contains("30000 tokens") && error.contains("3433 MiB"), "{error}");
        assert!(mask_fits(usize::MAX, u64::MAX).is_err());
    }
}
