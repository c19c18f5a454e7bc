//! How failures look: one line, and an exit code.

use std::{fmt, io, process::ExitCode};

use quintet_data::quiet::is_quiet;

/// A command line that makes no sense: exit code 2, as clap's own.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The error of a command line that makes no sense.
pub fn usage(reason: impl Into<String>) -> anyhow::Error {
    Usage(reason.into()).into()
}

/// Prints the error and gives the exit code.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    // Whoever closed the pipe, `head` for example, has seen enough.
    let io = error.downcast_ref::<io::Error>();
    if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {}", one_line(error));
    ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
}

/// The error with its causes, each said once.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause: Vec<&str> =
            cause.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let cause = cause.join("; ");
        // Many errors already show their cause.
        if !line.contains(&cause) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&cause);
        }
    }
    line
}

/// Makes a broken invariant look like the other errors, unless a backtrace is asked for, and leaves
/// those of libraries that read broken files to the errors that come of them.
pub fn tell_panics_in_one_line() {
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
        return;
    }
    std::panic::set_hook(Box::new(|info| {
        if is_quiet() {
            return;
        }
        let place = info.location().map_or_else(String::new, |place| format!(" ({place})"));
        let reason = info.payload_as_str().unwrap_or("no reason given");
        let reason = reason.lines().collect::<Vec<_>>().join("; ");
        eprintln!("error: this is a bug in quintet{place}: {reason}");
    }));
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_joined_and_not_repeated() {
        let file = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let shown = anyhow::Error::new(file).context("a.png: no such file").context("cannot read");
        assert_eq!(one_line(&shown), "cannot read: a.png: no such file");
        let lines = Err::<(), _>(anyhow::anyhow!("first\n  second")).context("both").unwrap_err();
        assert_eq!(one_line(&lines), "both: first; second");
    }

    #[test]
    fn usage_is_told_apart() {
        assert!(usage("no").is::<Usage>());
        assert!(!anyhow::anyhow!("no").is::<Usage>());
    }
}
