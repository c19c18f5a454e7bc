//! Texts that are too long.

use std::ops::ControlFlow;

use burn::Device;
use quintet_models::{Generation, Multimodal, Sampling, backbones::Family, multimodal::Row};

use crate::common::{drawn, text, tiny};

#[test]
fn a_prompt_longer_than_the_context_is_refused() {
    for family in Family::ALL {
        let (decoder, params) = drawn(&tiny(family));
        let model = Multimodal::text_only(decoder, params, &Device::flex());
        let first_token = |prompt: usize, max_tokens: usize| {
            let ids = text(prompt, 0).into_iter().map(|id| id as u32).collect();
            let row = Row { ids, supervised: vec![false; prompt], ..Row::default() };
            let options =
                Generation { max_tokens, stop: Vec::new(), sampling: Sampling::default() };
            model.generate(vec![row], &options, |_, _| ControlFlow::Break(()))
        };
        assert!(first_token(63, 1).is_ok(), "{family:?}");
        let refused = first_token(65, 1).expect_err("refused").to_string();
        assert!(refused.contains("65 tokens, but the model reads at most 64"), "{refused}");
        // Learned positions end; rotary ones do not, so that the answer may go on.
        assert_eq!(first_token(64, usize::MAX).is_err(), family == Family::Opt, "{family:?}");
    }
}
