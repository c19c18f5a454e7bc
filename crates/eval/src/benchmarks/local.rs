//! A model on this machine that answers or judges.

use std::{collections::BTreeMap, ops::ControlFlow};

use quintet_data::sample::{Media, Message, Part, Role, Sample};
use quintet_models::{
    Generation, Multimodal, Processor, Sampling,
    multimodal::{Batch, Row, Side},
};

use super::{Answer, Item, Judge, JudgePrompt, OptionScore, Respondent};
use crate::{Error, Result, asking};

/// A loaded model.
pub struct Local<'a> {
    /// Its name and where it computes.
    pub name: &'a str,
    /// [Digests](crate::receipt::digests) of its files: another model of that name is another one.
    pub files: BTreeMap<String, String>,
    /// The model.
    pub model: &'a Multimodal,
    /// What stands before it.
    pub processor: &'a Processor,
    /// Questions answered at a time.
    pub batch: usize,
    /// Longest answer, in tokens. Judges have their own.
    pub max_tokens: usize,
}

impl Local<'_> {
    /// The likeliest answers to prompts.
    fn greedy(&self, rows: Vec<Row>) -> Result<Vec<String>> {
        asking::greedy(self.model, self.processor, rows, self.max_tokens)
    }
}

impl Respondent for Local<'_> {
    fn identity(&self) -> String {
        format!("{} {:?}, at most {} tokens", self.name, self.files, self.max_tokens)
    }

    fn answer(
        &self,
        questions: &[&Item],
        each: &mut (dyn FnMut(usize, Result<Answer>) -> ControlFlow<()> + Send),
    ) {
        let numbered: Vec<_> = questions.iter().enumerate().collect();
        for batch in numbered.chunks(self.batch.max(1)) {
            let (mut numbers, mut rows) = (Vec::new(), Vec::new());
            for &(number, item) in batch {
                match self.processor.encode_prompt(&question(item)) {
                    Ok(row) => {
                        numbers.push(number);
                        rows.push(row);
                    }
                    Err(error) => {
                        if each(number, Err(error.into())).is_break() {
                            return;
                        }
                    }
                }
            }
            // One prompt that is too long for the model spoils the batch it is in.
            let answers = match self.greedy(rows.clone()) {
                Ok(answers) => answers.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(_) => rows
                    .into_iter()
                    .map(|row| self.greedy(vec![row]).map(|answers| answers.concat()))
                    .collect(),
            };
            for (number, answer) in numbers.into_iter().zip(answers) {
                if each(number, answer.map(Answer::Text)).is_break() {
                    return;
                }
            }
        }
    }
}

/// A loaded model that is asked how likely each option is, word for word, after the question alone:
/// as SEED-Bench's `eval.py` asks.
pub struct Ranking<'a>(pub Local<'a>);

impl Ranking<'_> {
    fn scores(&self, item: &Item) -> Result<Vec<OptionScore>> {
        let Self(Local { model, processor, .. }) = self;
        let row = |option: &String| {
            let mut sample = about_picture(item, &item.question);
            sample.messages.push(Message::text(Role::Assistant, option));
            processor.encode(&sample)
        };
        let rows = item.options.iter().map(row).collect::<std::result::Result<_, _>>()?;
        let scores = model.log_likelihoods(&Batch::new(rows, Side::Right))?;
        let score =
            |(log_likelihood, tokens)| OptionScore { log_likelihood, tokens: tokens as u32 };
        Ok(scores.into_iter().map(score).collect())
    }
}

impl Respondent for Ranking<'_> {
    fn identity(&self) -> String {
        format!("{} {:?}, likelihood of options", self.0.name, self.0.files)
    }

    fn ranks(&self) -> bool {
        true
    }

    fn answer(
        &self,
        questions: &[&Item],
        each: &mut (dyn FnMut(usize, Result<Answer>) -> ControlFlow<()> + Send),
    ) {
        for (number, item) in questions.iter().enumerate() {
            if each(number, self.scores(item).map(Answer::Options)).is_break() {
                return;
            }
        }
    }
}

impl Judge for Local<'_> {
    fn judge(&self, prompt: &JudgePrompt) -> Result<String> {
        let row = self.processor.encode_prompt(&judged(prompt))?;
        let tokenizer = &self.processor.tokenizer;
        let limit = self.model.text_config().position_limit().unwrap_or(usize::MAX);
        let options = Generation {
            // Judges of services write longer replies than small models have positions for.
            max_tokens: (prompt.max_tokens as usize).min(limit.saturating_sub(row.ids.len())),
            stop: tokenizer.special().stop.clone(),
            sampling: Sampling {
                temperature: prompt.temperature as f32,
                seed: prompt.attempt as u64,
                ..Sampling::default()
            },
        };
        let texts = self.model.generate(vec![row], &options, |_, _| ControlFlow::Continue(()))?;
        let ids = texts.first().ok_or_else(|| Error::Judge {
            id: prompt.id.clone(),
            reason: "the model wrote nothing".into(),
        })?;
        Ok(tokenizer.decode(ids, true)?)
    }
}

/// A picture and the question about it.
pub(super) fn question(item: &Item) -> Sample {
    about_picture(item, &item.prompt)
}

fn about_picture(item: &Item, text: &str) -> Sample {
    let content = vec![Part::Image, Part::Text(text.to_owned())];
    Sample {
        id: item.id.clone(),
        messages: vec![Message { role: Role::User, content }],
        media: vec![Media::File(item.image.clone())],
    }
}

/// What a judge is told.
pub(super) fn judged(prompt: &JudgePrompt) -> Sample {
    let system = prompt.system.map(|text| Message::text(Role::System, text));
    let messages = system.into_iter().chain([Message::text(Role::User, &prompt.user)]).collect();
    Sample { id: prompt.id.clone(), messages, media: Vec::new() }
}
