//! The key of an endpoint.

use std::fmt;

use ureq::http::HeaderValue;

use crate::{Error, Result};

/// A key, read from an environment variable. It is sent to its endpoint and shown to nobody.
#[derive(Clone)]
pub struct Key {
    secret: String,
    header: HeaderValue,
}

impl Key {
    /// Reads the variable of this name.
    ///
    /// # Errors
    /// It is not set, empty, or holds characters that no header may hold.
    pub fn from_env(variable: &str) -> Result<Self> {
        let fail = |reason| Error::Key { variable: variable.to_owned(), reason };
        let value = std::env::var_os(variable).ok_or_else(|| fail("is not set"))?;
        let value = value.into_string().map_err(|_| fail("is not text"))?;
        Self::new(&value).map_err(fail)
    }

    pub(crate) fn new(value: &str) -> std::result::Result<Self, &'static str> {
        let secret = value.trim().to_owned();
        if secret.is_empty() {
            return Err("is empty");
        }
        let header = HeaderValue::from_str(&format!("Bearer {secret}"));
        let mut header = header.map_err(|_| "holds characters that cannot be sent in a header")?;
        header.set_sensitive(true);
        Ok(Self { secret, header })
    }

    /// The `Authorization` header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The text without the key: endpoints may repeat it when they refuse it.
    pub(crate) fn strike(&self, text: &str) -> String {
        text.replace(&self.secret, "(key)")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}
