//! What is written on marks.

use serde::{Deserialize, Serialize};

/// How marks are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// 1, 2, 3, …
    #[default]
    Number,
    /// a, b, …, z, aa, ab, …: bijective base 26.
    Letter,
}

impl Labels {
    /// The tag of the mark at a position, counted from 0.
    pub fn tag(self, position: usize) -> String {
        match self {
            Self::Number => (position + 1).to_string(),
            Self::Letter => {
                let mut letters = Vec::new();
                let mut rest = position + 1;
                while rest > 0 {
                    rest -= 1;
                    letters.push(char::from(b'a' + (rest % 26) as u8));
                    rest /= 26;
                }
                letters.iter().rev().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_on_after_z() {
        let tag = |position| Labels::Letter.tag(position);
        let cases =
            [(0, "a"), (25, "z"), (26, "aa"), (51, "az"), (52, "ba"), (701, "zz"), (702, "aaa")];
        for (position, letters) in cases {
            assert_eq!(tag(position), letters);
        }
        assert_eq!(Labels::Number.tag(0), "1");
    }

    #[test]
    fn tags_are_distinct() {
        for labels in [Labels::Number, Labels::Letter] {
            let mut tags: Vec<_> = (0..3000).map(|i| labels.tag(i)).collect();
            tags.sort();
            tags.dedup();
            assert_eq!(tags.len(), 3000);
        }
    }
}
