//! The share of right answers.

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// Right answers among all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accuracy {
    /// Right answers.
    pub right: usize,
    /// All answers.
    pub total: usize,
}

impl Accuracy {
    /// Counts one answer.
    pub fn add(&mut self, right: bool) {
        self.right += usize::from(right);
        self.total += 1;
    }

    /// The share of right answers, 0 to 1.
    pub fn value(&self) -> f64 {
        super::share(self.right as f64, self.total as f64)
    }
}

impl Serialize for Accuracy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Accuracy", 2)?;
        object.serialize_field("n", &self.total)?;
        object.serialize_field("accuracy", &self.value())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_right_answers() {
        let mut score = Accuracy::default();
        assert_eq!(score.value(), 0.0);
        [true, false, true, true].into_iter().for_each(|right| score.add(right));
        assert_eq!(score.value(), 0.75);
        let json = serde_json::to_value(score).unwrap();
        assert_eq!(json, serde_json::json!({"n": 4, "accuracy": 0.75}));
    }
}
