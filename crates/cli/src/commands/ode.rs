//! `quintet ode`.

mod bench;
mod columns;
mod correct;
mod eval;
mod list;
mod members;
mod npy;
mod picture;
mod plot;
mod problem;
mod solve;
mod summary;
mod table;
mod teach;
mod train;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Solve an ensemble with a classical method
    Solve(solve::Args),
    /// Solve an ensemble coarsely and correct it, with error bands, within a tolerance
    Correct(correct::Args),
    /// Draw trajectories that `solve` or `correct` wrote
    Plot(plot::Args),
    /// Measure how well queries are corrected in context
    Eval(eval::Args),
    /// Measure which way is the cheapest, by what the right-hand side costs
    Bench(bench::Args),
    /// Train FMint's transformer on systems drawn from families
    Train(train::Args),
    /// List the systems that are known by name
    List(list::Args),
}

/// Solves ensembles of ordinary differential equations.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Solve(args) => solve::run(args),
        What::Correct(args) => correct::run(args),
        What::Plot(args) => plot::run(args),
        What::Eval(args) => eval::run(args),
        What::Bench(args) => bench::run(args),
        What::Train(args) => train::run(args),
        What::List(args) => list::run(args),
    }
}
