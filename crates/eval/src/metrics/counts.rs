//! How many there are.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Accuracy, share};

/// Counts that were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountScore {
    /// Answers by how many there were.
    pub by_number: BTreeMap<u32, Accuracy>,
    near: usize,
}

impl CountScore {
    /// Counts one answer; `None` if it is no number.
    pub fn add(&mut self, truth: u32, said: Option<u32>) {
        self.by_number.entry(truth).or_default().add(said == Some(truth));
        self.near += usize::from(said.is_some_and(|said| said.abs_diff(truth) <= 1));
    }

    /// All answers.
    pub fn total(&self) -> usize {
        self.by_number.values().map(|score| score.total).sum()
    }

    /// The share of right answers, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        let right: usize = self.by_number.values().map(|score| score.right).sum();
        share(right as f64, self.total() as f64)
    }

    /// The share of answers that are right or beside it by one.
    pub fn within_one(&self) -> f64 {
        share(self.near as f64, self.total() as f64)
    }
}

impl Serialize for CountScore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("CountScore", 4)?;
        object.serialize_field("n", &self.total())?;
        object.serialize_field("accuracy", &self.accuracy())?;
        object.serialize_field("within_one", &self.within_one())?;
        object.serialize_field("by_number", &self.by_number)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_right_beside_it_or_wrong() {
        let mut score = CountScore::default();
        assert_eq!((score.accuracy(), score.within_one()), (0.0, 0.0));
        for (truth, said) in [(2, Some(2)), (2, Some(1)), (4, Some(6)), (0, None)] {
            score.add(truth, said);
        }
        let json = serde_json::to_value(&score).unwrap();
        let expected = serde_json::json!({
            "n": 4,
            "accuracy": 0.25,
            "within_one": 0.5,
            "by_number": {
                "0": {"n": 1, "accuracy": 0.0},
                "2": {"n": 2, "accuracy": 0.5},
                "4": {"n": 1, "accuracy": 0.0},
            },
        });
        assert_eq!(json, expected);
    }
}
