//! Random numbers that depend on nothing but a seed, a purpose and a picture's id.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What numbers are drawn for; each purpose has its own sequence.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Listing = 1,
    Questions = 2,
    Task = 3,
}

/// The generator of one picture: pictures can be done in any order and on any thread.
pub(super) fn stream(seed: u64, purpose: Purpose, id: &str) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = purpose as u8;
    let mut rng = ChaCha8Rng::from_seed(key);
    // FNV-1a: the standard library's hash may change from one release to the next.
    rng.set_stream(id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }));
    rng
}
