//! The sizes of a model and how it reads trajectories.

use quintet_models::backbones::{DecoderConfig, opt};
use quintet_nn::Activation;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How trajectories become tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tokens {
    /// As published: a token `[t, u…]` for each time of a coarse solution, one `[t, e…]` for its error
    /// there, `[t, 0…]` where that is asked for; numbers as they are; demos in their order.
    Published,
    /// One token for each time with all of that, and with the coarse solution where the error is
    /// asked for; numbers in the demos' spreads; demos in any number and order.
    Joined,
}

/// What is predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// What a coarse solution lacks: FMint.
    #[default]
    Error,
    /// The solution itself, from its first state: ICON-LM (Yang et al., 2023), the paper's baseline.
    Solution,
}

/// What a model is built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How trajectories become tokens.
    pub tokens: Tokens,
    /// What is predicted.
    #[serde(default)]
    pub answer: Answer,
    /// Layers.
    pub layers: usize,
    /// Heads of each.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the hidden states.
    pub width: usize,
    /// Width inside the MLP.
    pub inner: usize,
    /// Components of a state that a token holds. States of more take several tokens for each time.
    pub components: usize,
    /// Most tokens for a time.
    pub groups: usize,
    /// Most demos, if they are told apart; 0 for any number in any order.
    pub demos: usize,
}

/// The most that a size may be; published models stay far below.
const MAX: usize = 1 << 14;

/// Waves that tell times apart: of 1 to 128 half periods in the whole time.
const WAVES: usize = 8;

impl Config {
    /// The published model, 15.79 million parameters.
    pub fn published() -> Self {
        Self {
            tokens: Tokens::Published,
            answer: Answer::Error,
            layers: 6,
            heads: 8,
            head_dim: 256,
            width: 256,
            inner: 1024,
            components: 3,
            groups: 1,
            demos: 5,
        }
    }

    /// A model that laptops train and run.
    pub fn small() -> Self {
        Self {
            tokens: Tokens::Joined,
            answer: Answer::Error,
            layers: 4,
            heads: 4,
            head_dim: 32,
            width: 128,
            inner: 512,
            components: 2,
            groups: 8,
            demos: 0,
        }
    }

    /// Checks that the numbers describe a model.
    ///
    /// # Errors
    /// With a sentence on the first that does not.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("layers", self.layers),
            ("heads", self.heads),
            ("head_dim", self.head_dim),
            ("width", self.width),
            ("inner", self.inner),
            ("components", self.components),
            ("groups", self.groups),
        ];
        if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=MAX).contains(size)) {
            return Err(Error::Config(format!("{name} is {size}; 1 to {MAX} are possible")));
        }
        match (self.tokens, self.demos, self.groups) {
            (Tokens::Published, 1..=1000, 1) | (Tokens::Joined, 0, _) => Ok(()),
            (Tokens::Published, ..) => Err(Error::Config(
                "published tokens need demos = 1 or more, and groups = 1".to_owned(),
            )),
            (Tokens::Joined, ..) => {
                Err(Error::Config("joined tokens take any number of demos: demos = 0".to_owned()))
            }
        }
    }

    /// Numbers in a token.
    pub fn features(&self) -> usize {
        match self.tokens {
            Tokens::Published => 1 + self.components,
            // Time and its waves; solution and increment, also times the time; error.
            Tokens::Joined => 1 + 2 * WAVES + 5 * self.components,
        }
    }

    /// Vectors that tell apart what tokens are.
    pub fn kinds(&self) -> usize {
        match self.tokens {
            Tokens::Published => 3 * (self.demos + 1),
            Tokens::Joined => 2 * self.groups,
        }
    }

    /// Tokens that a state of so many components takes.
    ///
    /// # Errors
    /// If those are more than the model has.
    pub fn groups_of(&self, dimension: usize) -> Result<usize> {
        let groups = dimension.div_ceil(self.components);
        match groups <= self.groups {
            true => Ok(groups),
            false => Err(Error::Shape {
                what: "components of a state",
                found: dimension,
                expected: format!("at most {}", self.groups * self.components),
            }),
        }
    }

    /// The blocks: those of OPT, with norms last in the published model and first in others.
    pub(crate) fn decoder(&self) -> DecoderConfig {
        DecoderConfig {
            hidden_act: Activation::GeluTanh,
            head_dim: self.head_dim,
            intermediate_size: self.inner,
            do_layer_norm_before: self.tokens == Tokens::Joined,
            ..opt(self.width, self.layers, self.heads)
        }
    }
}

/// A time as a share of the whole, and its waves: `[1 + 2 * WAVES]`.
pub(crate) fn waves(share: f64) -> impl Iterator<Item = f32> {
    let angle = move |wave: usize| std::f64::consts::PI * share * f64::from(1u32 << wave);
    let waves = (0..WAVES).flat_map(move |wave| {
        let (sin, cos) = angle(wave).sin_cos();
        [sin as f32, cos as f32]
    });
    std::iter::once(share as f32).chain(waves)
}
