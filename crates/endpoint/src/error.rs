//! The crate's error.

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong between a question and its answer. No message ever holds the key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A base URL that nothing can be sent to.
    #[error("the base URL cannot be used: {reason}")]
    Url {
        /// What is wrong with it; the URL itself may hold a password and is not repeated.
        reason: String,
    },
    /// The variable that should hold the key.
    #[error("the environment variable {variable}, which should hold the key, {reason}")]
    Key {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A conversation that cannot be sent.
    #[error("conversation {id}: {reason}")]
    Conversation {
        /// The sample's id.
        id: String,
        /// What is wrong with it and what was expected.
        reason: String,
    },
    /// The endpoint refused; asking again would not help.
    #[error("{url}: HTTP {status}: {reason}")]
    Refused {
        /// Where it was sent.
        url: String,
        /// The status code.
        status: u16,
        /// What the endpoint says, and what to do.
        reason: String,
    },
    /// The endpoint could not be reached, or kept failing.
    #[error("{url}: {reason} (tried {tries} times)")]
    Unreachable {
        /// Where it was sent.
        url: String,
        /// How the last try ended.
        reason: String,
        /// How often it was tried.
        tries: u32,
    },
    /// An answer that is not one.
    #[error("{url}: {reason}")]
    Answer {
        /// Where it came from.
        url: String,
        /// What was expected, and what came.
        reason: String,
    },
}
