//! Answers, token by token.

mod sampling;
mod text;

use std::ops::ControlFlow;

use burn::{Int, Tensor, TensorData};
use quintet_kernels::{on_workers, unrounded};
use quintet_nn::Layout;

pub use sampling::{Sampler, Sampling};
pub use text::TextStream;

use crate::{
    Error, Result,
    multimodal::{Batch, Multimodal, Row, Side},
};

/// When to end, and how to choose.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Most tokens to add.
    pub max_tokens: usize,
    /// Ids that end a text; they are not part of it.
    pub stop: Vec<u32>,
    /// How each token is chosen.
    pub sampling: Sampling,
}

impl Multimodal {
    /// Continues each row until a stop id, `max_tokens`, or the caller's word.
    ///
    /// `on_token` receives row and id of each new token as it is chosen; `Break` ends that row.
    /// Rows of different lengths give what each would give alone.
    ///
    /// # Errors
    /// If a row is empty or [too long](Self::check_prompt), or the backbone has no positions for
    /// `max_tokens` more.
    pub fn generate(
        &self,
        rows: Vec<Row>,
        options: &Generation,
        mut on_token: impl FnMut(usize, u32) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let count = rows.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        if rows.iter().any(|row| row.ids.is_empty()) {
            return Err(Error::Request("an empty prompt".into()));
        }
        let mut samplers: Vec<Sampler> = rows
            .iter()
            .enumerate()
            .map(|(row, content)| Sampler::new(&options.sampling, row as u64, &content.ids))
            .collect();
        let batch = Batch::new(rows, Side::Left);
        let (_, prompt) = batch.size();
        self.check_prompt(prompt)?;
        if let Some(limit) = self.text_config().position_limit()
            && prompt.saturating_add(options.max_tokens) > limit
        {
            return Err(Error::Request(format!(
                "the prompt has {prompt} tokens and {} may follow, but the backbone reads at most \
                 {limit}",
                options.max_tokens
            )));
        }
        let mut layout = batch.layout();
        let mut cache = self.backbone().new_cache();
        let mut logits = on_workers(|| {
            let hidden = self.hidden(&batch, &layout, Some(&mut cache))?;
            // The first token decides which way a text goes.
            Ok::<_, Error>(unrounded(|| self.logits_of_last(hidden)))
        })?;
        let mut texts = vec![Vec::new(); count];
        let mut running = vec![true; count];
        for made in 1..=options.max_tokens {
            let mut next = vec![0u32; count];
            for (row, scores) in logits.chunks(logits.len() / count).enumerate() {
                if !running[row] {
                    continue;
                }
                let id = samplers[row].choose(scores);
                if options.stop.contains(&id) {
                    running[row] = false;
                    continue;
                }
                texts[row].push(id);
                next[row] = id;
                running[row] = on_token(row, id).is_continue();
            }
            if made == options.max_tokens || !running.contains(&true) {
                break;
            }
            let ids: Vec<i32> = next.iter().map(|&id| id as i32).collect();
            let ids = TensorData::new(ids, [count, 1]);
            let ids = Tensor::<2, Int>::from_data(ids, self.device());
            layout = match layout {
                Layout::Rows(rows) => Layout::Rows(rows.grown(1)),
                other => other,
            };
            logits = on_workers(|| {
                let embeds = self.backbone().embed(ids);
                let backbone = self.backbone();
                self.logits_of_last(backbone.forward_laid_out(embeds, &layout, Some(&mut cache)))
            });
        }
        Ok(texts)
    }

    /// Refuses a prompt of more tokens than the backbone was made to read: its answer would
    /// be worth nothing, and its mask grows with the square of them.
    ///
    /// # Errors
    /// If there are more.
    pub fn check_prompt(&self, tokens: usize) -> Result<()> {
        let trained = self.text_config().context();
        if tokens > trained {
            return Err(Error::Request(format!(
                "the prompt has {tokens} tokens, but the model reads at most {trained}; shorten it \
                 or begin anew"
            )));
        }
        Ok(())
    }

    /// `[b, vocab]`, of the last token of each row.
    fn logits_of_last(&self, hidden: Tensor<3>) -> Vec<f32> {
        let [b, t, d] = hidden.dims();
        let last = hidden.slice([0..b, t - 1..t, 0..d]).reshape([b, d]);
        self.backbone().logits(last).into_data().iter::<f32>().collect()
    }
}
