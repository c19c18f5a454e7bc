//! Yes-or-no questions, scored as POPE scores them (Li et al., EMNLP 2023, section 5.2).

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{f1, share};

/// Answers by truth. "Yes" is the positive answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Yes, rightly.
    pub true_positive: usize,
    /// Yes, wrongly.
    pub false_positive: usize,
    /// No, rightly.
    pub true_negative: usize,
    /// No, wrongly.
    pub false_negative: usize,
    /// Neither yes nor no where yes was right: wrong, and a missed yes.
    pub unclear_positive: usize,
    /// Neither yes nor no where no was right: wrong, but no false yes.
    pub unclear_negative: usize,
}

impl Confusion {
    /// Counts one answer; `None` is neither yes nor no.
    pub fn add(&mut self, truth: bool, said: Option<bool>) {
        let count = match (truth, said) {
            (true, Some(true)) => &mut self.true_positive,
            (false, Some(true)) => &mut self.false_positive,
            (false, Some(false)) => &mut self.true_negative,
            (true, Some(false)) => &mut self.false_negative,
            (true, None) => &mut self.unclear_positive,
            (false, None) => &mut self.unclear_negative,
        };
        *count += 1;
    }

    /// All answers.
    pub fn total(&self) -> usize {
        self.true_positive
            + self.false_positive
            + self.true_negative
            + self.false_negative
            + self.unclear()
    }

    /// Answers that are neither yes nor no.
    pub fn unclear(&self) -> usize {
        self.unclear_positive + self.unclear_negative
    }

    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        share((self.true_positive + self.true_negative) as f64, self.total() as f64)
    }

    /// The share of right ones among the answers "yes".
    pub fn precision(&self) -> f64 {
        share(self.true_positive as f64, (self.true_positive + self.false_positive) as f64)
    }

    /// The share found of what a "yes" was right for.
    pub fn recall(&self) -> f64 {
        let positives = self.true_positive + self.false_negative + self.unclear_positive;
        share(self.true_positive as f64, positives as f64)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        f1(self.precision(), self.recall())
    }

    /// The share of answers "yes": well above one half, a model agrees with everything.
    pub fn yes_ratio(&self) -> f64 {
        share((self.true_positive + self.false_positive) as f64, self.total() as f64)
    }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Confusion", 7)?;
        object.serialize_field("n", &self.total())?;
        object.serialize_field("accuracy", &self.accuracy())?;
        object.serialize_field("precision", &self.precision())?;
        object.serialize_field("recall", &self.recall())?;
        object.serialize_field("f1", &self.f1())?;
        object.serialize_field("yes_ratio", &self.yes_ratio())?;
        object.serialize_field("unclear", &self.unclear())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_worked_out_by_hand() {
        let mut score = Confusion::default();
        assert_eq!((score.f1(), score.accuracy()), (0.0, 0.0));
        let answers = [(true, true, 6), (false, true, 2), (false, false, 9), (true, false, 3)];
        for (truth, said, times) in answers {
            (0..times).for_each(|_| score.add(truth, Some(said)));
        }
        assert_eq!(score.accuracy(), 15.0 / 20.0);
        assert_eq!(score.precision(), 6.0 / 8.0);
        assert_eq!(score.recall(), 6.0 / 9.0);
        assert!((score.f1() - 12.0 / 17.0).abs() < 1e-12);
        assert_eq!(score.yes_ratio(), 8.0 / 20.0);
    }

    #[test]
    fn an_unclear_answer_is_a_wrong_one() {
        let mut score = Confusion::default();
        score.add(true, Some(true));
        score.add(true, None);
        score.add(false, None);
        assert_eq!((score.total(), score.unclear()), (3, 2));
        assert_eq!(score.accuracy(), 1.0 / 3.0);
        assert_eq!((score.precision(), score.recall()), (1.0, 0.5));
        assert_eq!(score.yes_ratio(), 1.0 / 3.0);
    }
}
