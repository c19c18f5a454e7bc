//! Chat endpoints elsewhere.

use quintet_endpoint::{Endpoint, Key, Settings};

/// The endpoint at a URL, with the key that an environment variable holds.
pub fn open(url: &str, key_env: Option<&str>) -> anyhow::Result<Endpoint> {
    let key = key_env.map(Key::from_env).transpose()?;
    Ok(Endpoint::new(url, key, Settings::default())?)
}
