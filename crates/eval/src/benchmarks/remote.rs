//! A model behind an OpenAI-compatible endpoint that answers or judges.

use std::ops::ControlFlow;

use quintet_endpoint::{Endpoint, Options, in_parallel};

use super::{
    Answer, Item, Judge, JudgePrompt, Respondent,
    local::{judged, question},
};
use crate::Result;

/// A model of an endpoint.
pub struct Remote<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The model, and how it answers. Judges have a temperature and a longest reply of their own.
    pub options: Options,
    /// Questions asked at a time.
    pub parallel: usize,
}

impl Respondent for Remote<'_> {
    fn identity(&self) -> String {
        let Options { model, max_tokens, temperature, .. } = &self.options;
        format!("{model} at {}, {max_tokens:?} {temperature:?}", self.endpoint.url())
    }

    fn answer(
        &self,
        questions: &[&Item],
        each: &mut (dyn FnMut(usize, Result<Answer>) -> ControlFlow<()> + Send),
    ) {
        in_parallel(
            questions,
            self.parallel,
            |item| Ok(Answer::Text(self.endpoint.ask(&question(item), &self.options)?.text)),
            each,
        );
    }
}

impl Judge for Remote<'_> {
    fn judge(&self, prompt: &JudgePrompt) -> Result<String> {
        let options = Options {
            temperature: Some(prompt.temperature),
            max_tokens: Some(prompt.max_tokens),
            ..self.options.clone()
        };
        Ok(self.endpoint.ask(&judged(prompt), &options)?.text)
    }
}
