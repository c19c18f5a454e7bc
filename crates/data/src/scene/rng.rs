//! Random numbers that depend on nothing but a seed, a purpose and an index.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::style::Split;

/// What numbers are drawn for; each purpose has its own sequence.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Scene = 1,
    Crop = 2,
    Questions = 3,
}

/// The generator of item `index`: items can be made in any order and on any thread.
///
/// The halves of a split never share numbers, whatever their seeds.
pub(super) fn stream(seed: u64, split: Split, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = purpose as u8;
    key[9] = split as u8;
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}
