//! `quintet probe`.

mod attention;
mod encoder;
mod view;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// What each word of an answer attends to in the picture: a page, and a picture for each word
    Attention(attention::Args),
    /// What each patch of the picture attends to in the encoder: a page, and pictures
    Encoder(encoder::Args),
}

/// Looks into a model.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Attention(args) => args.run(),
        What::Encoder(args) => args.run(),
    }
}
