//! `quintet`: compose, train and question multimodal LLMs.

mod answer;
mod commands;
mod device;
mod endpoint;
mod failure;
mod frames;
mod interrupt;
mod measuring;
mod model;
mod output;
mod pictures;
mod progress;
mod sampling;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    prelude::*,
};

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: quintet_kernels::Recycler = quintet_kernels::Recycler::new();

#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask a question about pictures or videos
    Ask(commands::ask::Args),
    /// Talk with a model, one question per line
    Chat(commands::chat::Args),
    /// Fetch a model into the local cache
    Pull(commands::pull::Args),
    /// List the bundled models and those that `pull` knows
    Models(commands::models::Args),
    /// Train the model that a recipe describes, or go on where it stopped
    Train(commands::train::Args),
    /// Check every row that a recipe trains on
    Preflight(commands::preflight::Args),
    /// Measure a model on the scene tasks
    Eval(commands::eval::Args),
    /// Ask a model the questions of a public benchmark, and score the answers
    Benchmark(commands::benchmark::Args),
    /// Write a model's scores of every next token to a file
    Logits(commands::logits::Args),
    /// Write the encoder's and the projector's features of a picture to a file
    Features(commands::features::Args),
    /// Look into a model
    Probe(commands::probe::Args),
    /// Build datasets
    Data(commands::data::Args),
    /// Mark regions of pictures with tags
    Som(commands::som::Args),
    /// Solve and correct ensembles of ordinary differential equations
    Ode(commands::ode::Args),
}

impl Command {
    fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Ask(args) => commands::ask::run(args),
            Self::Chat(args) => commands::chat::run(args),
            Self::Pull(args) => commands::pull::run(args),
            Self::Models(args) => commands::models::run(args),
            Self::Train(args) => commands::train::run(args),
            Self::Preflight(args) => commands::preflight::run(args),
            Self::Eval(args) => commands::eval::run(args),
            Self::Benchmark(args) => commands::benchmark::run(args),
            Self::Logits(args) => commands::logits::run(args),
            Self::Features(args) => commands::features::run(args),
            Self::Probe(args) => commands::probe::run(args),
            Self::Data(args) => commands::data::run(args),
            Self::Som(args) => commands::som::run(args),
            Self::Ode(args) => commands::ode::run(args),
        }
    }
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    failure::tell_panics_in_one_line();
    if let Err(error) = start_log() {
        return failure::exit_code(&error);
    }
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::exit_code(&error),
    }
}

/// Messages of the libraries on standard error: warnings, or what `RUST_LOG` asks for.
fn start_log() -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()) {
        None => Targets::new().with_default(LevelFilter::WARN),
        Some(text) => text.parse().map_err(|error| failure::usage(format!("RUST_LOG: {error}")))?,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    tracing_subscriber::registry().with(lines).with(filter).init();
    Ok(())
}
