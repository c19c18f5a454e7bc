//! Where Python's text and numbers differ from Rust's: public scripts are written in it, and
//! tricky answers live in the difference.

/// `str.strip()`: also four separators that Unicode does not count as white space.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

/// `float(text)`: white space around it and underscores between digits are allowed. Infinity and
/// NaN, which scripts take for scores that then spoil every mean, are no numbers here.
pub(super) fn float(text: &str) -> Option<f64> {
    let text = strip(text);
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let lone = text.char_indices().any(|(at, c)| {
        let (before, after) = text.split_at(at);
        c == '_' && !(digit(before.chars().next_back()) && digit(after.chars().nth(1)))
    });
    if lone { None } else { text.replace('_', "").parse().ok().filter(|x: &f64| x.is_finite()) }
}

/// `round(x, digits)`: the decimal nearest to the binary number as it is, ties to even.
pub(super) fn round(x: f64, digits: usize) -> f64 {
    // A printed float reads back.
    format!("{x:.digits$}").parse().unwrap_or(x)
}

/// `numpy.round(x, 1)`, which multiplies first, so that 0.25 and 0.35 may both become even.
pub(super) fn numpy_round(x: f64) -> f64 {
    (x * 10.0).round_ties_even() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_does() {
        assert_eq!(strip("\x1c\u{a0} a b\n"), "a b");
        let read = ["8", " 8.5\r", "1_0", "1e1", "8.", ".5", "-1"];
        let value = [8.0, 8.5, 10.0, 10.0, 8.0, 0.5, -1.0];
        assert_eq!(read.map(float), value.map(Some));
        for text in ["", "8/10", "_1", "1_", "1__0", "1_.0", "8 9", "eight", "nan", "inf"] {
            assert_eq!(float(text), None, "{text}");
        }
        assert_eq!([2.675, 0.125, 0.375].map(|x| round(x, 2)), [2.67, 0.12, 0.38]);
        assert_eq!([0.25, 0.35, 33.349999].map(numpy_round), [0.2, 0.4, 33.3]);
        assert_eq!(round(0.35, 1), 0.3);
    }
}
