//! `quintet som`.

mod build;
mod detect;
mod eval;
mod files;
mod mark;
mod options;
mod source;
mod tagged;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Draw a tag on each region of pictures (Set-of-Mark)
    Mark(mark::Args),
    /// Build data that lists what is marked, or asks about it
    Build(Box<build::Args>),
    /// Count the listings in datasets
    Detect(detect::Args),
    /// Find the pictures that carry tags already
    Tagged(tagged::Args),
    /// Measure how a model lists marked scenes, and where its tags look
    Eval(eval::Args),
}

/// Works with marks.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Mark(args) => mark::run(args),
        What::Build(args) => build::run(args),
        What::Detect(args) => detect::run(args),
        What::Tagged(args) => tagged::run(args),
        What::Eval(args) => eval::run(args),
    }
}
