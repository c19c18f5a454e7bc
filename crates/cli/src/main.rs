//! `quintet`: compose, train and question multimodal LLMs.

mod commands;
mod drawing;
mod model;
mod sampling;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask a question about pictures or videos.
    Ask(commands::ask::Args),
    /// Talk with a model; one question per line.
    Chat(commands::chat::Args),
    /// Fetch a model into the local cache.
    Pull(commands::pull::Args),
    /// List the models at hand and those that `pull` knows.
    Models(commands::models::Args),
    /// Train the model that a recipe describes, or go on where it stopped.
    Train(commands::train::Args),
    /// Check every row that a recipe trains on.
    Preflight(commands::preflight::Args),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .init();
    let result = match Cli::parse().command {
        Command::Ask(args) => commands::ask::run(&args),
        Command::Chat(args) => commands::chat::run(&args),
        Command::Pull(args) => commands::pull::run(&args),
        Command::Models(args) => commands::models::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Preflight(args) => commands::preflight::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
