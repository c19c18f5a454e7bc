//! Listing accuracy (the paper's §5.2): of a picture with N marks of which M are named rightly,
//! M/N.
//!
//! An entry is right when its description and the true name are equal after both are brought to
//! lower case and stripped of a leading article (a, an, the, one, some), of punctuation and
//! emphasis around them and of hyphens, or when one is then the other's plural. "a brown dog" is
//! not "dog". A tag that is missing or has two entries is wrong, whatever they say. Entries of
//! tags that the picture does not have are counted and reported, and cost nothing.

use serde::{Deserialize, Serialize};

use super::{item::Item, nouns, parse};

/// How one listing compares with the truth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingScore {
    /// M: marks named rightly.
    pub right: usize,
    /// N: marks in the picture.
    pub total: usize,
    /// Marks named wrongly.
    pub wrong: Vec<Wrong>,
    /// Tags without an entry.
    pub missing: Vec<String>,
    /// Tags with several entries.
    pub repeated: Vec<String>,
    /// Tags of entries that the picture does not have.
    pub extra: Vec<String>,
}

/// A mark named wrongly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// Its tag.
    pub tag: String,
    /// What it stands for.
    pub truth: String,
    /// What the model says.
    pub said: String,
}

impl ListingScore {
    /// Compares a model's answer with what the marks stand for.
    pub fn of(answer: &str, items: &[Item]) -> Self {
        let tags: Vec<&str> = items.iter().map(|item| item.tag.as_str()).collect();
        let entries = parse::entries(answer, &tags);
        let mut score = Self { total: items.len(), ..Self::default() };
        for item in items {
            let mut said = entries.iter().filter(|entry| parse::same(entry.tag, &item.tag));
            match (said.next(), said.next()) {
                (None, _) => score.missing.push(item.tag.clone()),
                (Some(_), Some(_)) => score.repeated.push(item.tag.clone()),
                (Some(entry), None) if nouns::same(entry.text, &item.name) => score.right += 1,
                (Some(entry), None) => score.wrong.push(Wrong {
                    tag: item.tag.clone(),
                    truth: item.name.clone(),
                    said: entry.text.to_owned(),
                }),
            }
        }
        let known = |tag: &str| tags.iter().any(|other| parse::same(other, tag));
        let extra = entries.iter().filter(|entry| !known(entry.tag));
        score.extra = extra.map(|entry| entry.tag.to_owned()).collect();
        score
    }

    /// M/N; `None` for a picture without marks.
    pub fn accuracy(&self) -> Option<f64> {
        (self.total > 0).then(|| self.right as f64 / self.total as f64)
    }
}

/// Listing accuracy over many pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListingAccuracy {
    /// Pictures with marks.
    pub pictures: usize,
    /// Marks in them.
    pub items: usize,
    /// Marks named rightly.
    pub right: usize,
    /// The sum of the pictures' M/N.
    shares: f64,
}

impl ListingAccuracy {
    /// Adds one picture; those without marks do not count.
    pub fn add(&mut self, score: &ListingScore) {
        if let Some(share) = score.accuracy() {
            self.pictures += 1;
            self.items += score.total;
            self.right += score.right;
            self.shares += share;
        }
    }

    /// The mean of the pictures' M/N, the paper's list-wise accuracy; `None` without pictures.
    pub fn by_picture(&self) -> Option<f64> {
        (self.pictures > 0).then(|| self.shares / self.pictures as f64)
    }

    /// The share of all marks that are named rightly; `None` without marks.
    pub fn by_item(&self) -> Option<f64> {
        (self.items > 0).then(|| self.right as f64 / self.items as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(names: &[&str]) -> Vec<Item> {
        let item = |(i, name): (usize, &&str)| Item {
            tag: (i + 1).to_string(),
            name: (*name).to_owned(),
            bbox: [0.0; 4],
            area: 0,
            label: None,
            colour: None,
        };
        names.iter().enumerate().map(item).collect()
    }

    #[test]
    fn every_way_to_be_wrong_is_told_apart() {
        let truth = items(&["person", "cat", "dog", "bus", "hot dog"]);
        let answer = "1. People\n2. a dog\n3. dog\n3. dog\n5. The hot-dog.\n6. tree";
        let score = ListingScore::of(answer, &truth);
        assert_eq!((score.right, score.total), (2, 5));
        let wrong = Wrong { tag: "2".into(), truth: "cat".into(), said: "a dog".into() };
        assert_eq!(score.wrong, [wrong]);
        assert_eq!((score.missing, score.repeated), (vec!["4".to_owned()], vec!["3".to_owned()]));
        assert_eq!(score.extra, ["6"]);
    }

    #[test]
    fn right_wrong_missing_and_repeated_are_all_there_is() {
        let truth = items(&["cat", "dog", "bus"]);
        for answer in
            ["", "no", "1. cat", "3. bus, 1. cat, 1. cat", "1. cat\n2. dog\n3. bus", "2) x"]
        {
            let s = ListingScore::of(answer, &truth);
            let parts = s.right + s.wrong.len() + s.missing.len() + s.repeated.len();
            assert_eq!((parts, s.total), (3, 3), "{answer}");
        }
    }

    #[test]
    fn order_does_not_matter_to_the_score() {
        let truth = items(&["cat", "dog", "bus"]);
        assert_eq!(ListingScore::of("3. bus\n1. cat\n2. dog", &truth).right, 3);
        assert_eq!(ListingScore::of("3. bus, 1. cat, 2. dog.", &truth).right, 3);
    }

    #[test]
    fn the_mean_is_over_pictures_or_over_marks() {
        let mut all = ListingAccuracy::default();
        all.add(&ListingScore::of("1. cat", &items(&["cat"])));
        all.add(&ListingScore::of("1. cat", &items(&["dog", "bus", "cup"])));
        all.add(&ListingScore::of("", &[]));
        assert_eq!((all.by_picture(), all.by_item()), (Some(0.5), Some(0.25)));
        assert_eq!(ListingAccuracy::default().by_picture(), None);
    }
}
