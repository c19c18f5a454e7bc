//! `quintet som`.

mod files;
mod mark;
mod options;
mod source;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Draw a tag on each region of pictures (Set-of-Mark)
    Mark(mark::Args),
}

/// Works with marks.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Mark(args) => mark::run(args),
    }
}
