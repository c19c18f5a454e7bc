//! Lists of names.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{f1, share};

/// Lists against lists: names counted over all answers, order aside, and whole lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListScore {
    /// Answers.
    pub total: usize,
    /// Answers that are the right list in the right order.
    pub exact: usize,
    /// Names said that are there.
    pub hits: usize,
    /// Names said.
    pub said: usize,
    /// Names that are there.
    pub there: usize,
}

impl ListScore {
    /// Counts one answer. A name said twice is said wrongly the second time.
    pub fn add(&mut self, truth: &[String], said: &[String]) {
        let mut left: Vec<&String> = truth.iter().collect();
        for name in said {
            if let Some(at) = left.iter().position(|other| *other == name) {
                left.swap_remove(at);
                self.hits += 1;
            }
        }
        self.said += said.len();
        self.there += truth.len();
        self.exact += usize::from(truth == said);
        self.total += 1;
    }

    /// The share of said names that are there.
    pub fn precision(&self) -> f64 {
        share(self.hits as f64, self.said as f64)
    }

    /// The share of names that are there and were said.
    pub fn recall(&self) -> f64 {
        share(self.hits as f64, self.there as f64)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        f1(self.precision(), self.recall())
    }

    /// The share of answers that are right as a whole.
    pub fn exact(&self) -> f64 {
        share(self.exact as f64, self.total as f64)
    }
}

impl Serialize for ListScore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("ListScore", 5)?;
        object.serialize_field("n", &self.total)?;
        object.serialize_field("precision", &self.precision())?;
        object.serialize_field("recall", &self.recall())?;
        object.serialize_field("f1", &self.f1())?;
        object.serialize_field("exact", &self.exact())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_once_each() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut score = ListScore::default();
        score.add(&list("dog cat bus"), &list("dog dog car"));
        assert_eq!((score.hits, score.said, score.there), (1, 3, 3));
        score.add(&list("key"), &list("key"));
        score.add(&list("a b"), &list("b a"));
        score.add(&list("a"), &[]);
        assert_eq!((score.precision(), score.recall()), (4.0 / 6.0, 4.0 / 7.0));
        assert!((score.f1() - 8.0 / 13.0).abs() < 1e-12);
        assert_eq!(score.exact(), 0.25);
    }
}
