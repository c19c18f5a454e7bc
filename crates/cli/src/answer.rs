//! One answer of a model.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use quintet_data::sample::Sample;
use quintet_models::generate::TextStream;

use crate::{model::Loaded, sampling::SamplingArgs};

/// What a model said.
pub struct Answer {
    pub text: String,
    /// Tokens it took, those of a stop string included.
    pub tokens: usize,
    pub seconds: f64,
}

impl Answer {
    /// Tokens per second, the reading of the question included.
    pub fn speed(&self) -> f64 {
        self.tokens as f64 / self.seconds.max(1e-9)
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
        self.warn_if_long(prompt.ids.len() + sampling.max_tokens);
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
            tokens: texts.iter().map(Vec::len).sum(),
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    fn warn_if_long(&self, tokens: usize) {
        let trained = self.model.text_config().max_position_embeddings;
        if tokens > trained {
            tracing::warn!(
                "the conversation may reach {tokens} tokens, but the model was trained on at most \
                 {trained}; expect worse answers"
            );
        }
    }
}
