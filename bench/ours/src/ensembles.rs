//! What contestants in solving ensembles share: the inputs, in files of little-endian f64.

use std::path::Path;

use anyhow::Context;

/// Numbers that `bench/ode/main.py` wrote.
///
/// # Errors
/// If the file cannot be read or is no whole number of them.
pub fn numbers(file: &Path) -> anyhow::Result<Vec<f64>> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let (numbers, rest) = bytes.as_chunks();
    anyhow::ensure!(rest.is_empty(), "{}: not a whole number of f64", file.display());
    Ok(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}

/// An ensemble, with `start` 0, and what is asked about it: `FOLDER METHOD TOLERANCE SHOWN`.
pub struct Asked {
    /// First states, `[n, d]`.
    pub initial: Vec<f64>,
    /// Parameters, `[n, p]`.
    pub parameters: Vec<f64>,
    /// When states are wanted, the first at 0.
    pub times: Vec<f64>,
    /// The name of the method.
    pub method: String,
    /// Both the relative and the absolute one.
    pub tolerance: f64,
    /// Trajectories whose states are reported, the first ones.
    pub shown: usize,
}

impl Asked {
    /// Reads what the command line tells.
    ///
    /// # Errors
    /// If it is not as above, or a file cannot be read.
    pub fn read(args: &[String]) -> anyhow::Result<Self> {
        let [folder, method, tolerance, shown] = args else {
            anyhow::bail!("expected FOLDER METHOD TOLERANCE SHOWN");
        };
        let folder = Path::new(folder);
        Ok(Self {
            initial: numbers(&folder.join("initial.f64"))?,
            parameters: numbers(&folder.join("parameters.f64"))?,
            times: numbers(&folder.join("times.f64"))?,
            method: method.clone(),
            tolerance: tolerance.parse()?,
            shown: shown.parse()?,
        })
    }
}
