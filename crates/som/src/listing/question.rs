//! Questions about marks, with the answers that follow from what the marks stand for.

use std::collections::HashSet;

use quintet_data::scene::tasks::{DOMINANT, Side};
use rand::{
    Rng, RngExt,
    seq::{IndexedRandom, SliceRandom},
};

use super::{
    builder::Wording,
    item::{Item, MarkedPicture, labels_of},
    nouns::{plural, with_article},
    phrase::{is_or_are, lower_first, marks, none_is, of_side, opposite},
    templates::{self, Ask},
};

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub ask: Ask,
    /// The question.
    pub text: String,
    /// The answer.
    pub answer: String,
    /// The tags or the name it is about.
    pub subject: Vec<String>,
}

/// Draws questions about one picture.
pub(super) struct Asker<'a> {
    pub marked: &'a MarkedPicture,
    pub names: &'a [String],
    pub answers: Wording,
}

/// What fills the gaps of a wording.
#[derive(Default)]
struct Terms<'a> {
    n: &'a str,
    m: &'a str,
    name: &'a str,
    side: Option<Side>,
}

impl Asker<'_> {
    pub fn turns(&self, most: usize, rng: &mut impl Rng) -> Vec<Question> {
        let mut kinds = Ask::ALL;
        kinds.shuffle(rng);
        let mut asked = HashSet::new();
        let mut drawn = Vec::new();
        // A draw may repeat an earlier one; after some rounds there is little new to ask.
        for ask in kinds.iter().cycle().take(3 * most.max(kinds.len())) {
            if drawn.len() >= most {
                break;
            }
            if let Some(question) = self.draw(*ask, rng)
                && asked.insert((*ask, question.subject.clone()))
            {
                drawn.push(question);
            }
        }
        drawn
    }

    fn draw(&self, ask: Ask, rng: &mut impl Rng) -> Option<Question> {
        match ask {
            Ask::Name => self.name(rng),
            Ask::Tag => self.tag(rng),
            Ask::Count => self.count(rng),
            Ask::Side => self.side(rng),
            Ask::Direction => self.direction(rng),
            Ask::Presence => self.presence(rng),
            Ask::Colour => self.colour(rng),
            Ask::Larger => self.larger(rng),
        }
    }

    fn name(&self, rng: &mut impl Rng) -> Option<Question> {
        let item = self.item(rng)?;
        let sentence = format!("[{}] is {}.", item.tag, with_article(&item.name));
        let terms = Terms { n: &item.tag, ..Terms::default() };
        self.word_it(Ask::Name, terms, &item.name, sentence, rng)
    }

    fn tag(&self, rng: &mut impl Rng) -> Option<Question> {
        let single: Vec<_> =
            self.marked.items.iter().filter(|item| self.of_name(&item.name).len() == 1).collect();
        let item = single.choose(rng)?;
        let mark = format!("[{}]", item.tag);
        let sentence = format!("The {} {} {mark}.", item.name, is_or_are(&item.name));
        let terms = Terms { name: &item.name, ..Terms::default() };
        self.word_it(Ask::Tag, terms, &mark, sentence, rng)
    }

    fn count(&self, rng: &mut impl Rng) -> Option<Question> {
        let item = self.item(rng)?;
        let name = match self.absent(rng) {
            Some(absent) if rng.random_bool(0.2) => absent,
            _ => &item.name,
        };
        let tags = self.of_name(name);
        let sentence = match tags.len() {
            0 => none_is(name),
            1 => format!("There is 1: {}.", marks(&tags)),
            n => format!("There are {n}: {}.", marks(&tags)),
        };
        let terms = Terms { name, ..Terms::default() };
        self.word_it(Ask::Count, terms, &tags.len().to_string(), sentence, rng)
    }

    fn presence(&self, rng: &mut impl Rng) -> Option<Question> {
        let item = self.item(rng)?;
        let name = match self.absent(rng) {
            Some(absent) if rng.random_bool(0.5) => absent,
            _ => &item.name,
        };
        let tags = self.of_name(name);
        let sentence = match tags.len() {
            0 => format!("No, {}", lower_first(&none_is(name))),
            1 => format!("Yes, {} is {}.", marks(&tags), with_article(name)),
            _ => format!("Yes, {} are {}.", marks(&tags), plural(name)),
        };
        let word = if tags.is_empty() { "no" } else { "yes" };
        self.word_it(Ask::Presence, Terms { name, ..Terms::default() }, word, sentence, rng)
    }

    fn side(&self, rng: &mut impl Rng) -> Option<Question> {
        let (item, other) = self.pair(rng)?;
        let truth = rng.random_bool(0.5);
        let mut sides = Side::ALL;
        sides.shuffle(rng);
        let advance = |side| self.advance(side, other, item);
        let side = sides.into_iter().find(|side| side.lies(advance) == Some(truth))?;
        let (word, real) = if truth { ("yes", side) } else { ("no", opposite(side)) };
        let sentence = format!(
            "{}, [{}] is {} [{}].",
            if truth { "Yes" } else { "No" },
            item.tag,
            of_side(real),
            other.tag
        );
        let terms = Terms { n: &item.tag, m: &other.tag, side: Some(side), ..Terms::default() };
        self.word_it(Ask::Side, terms, word, sentence, rng)
    }

    fn direction(&self, rng: &mut impl Rng) -> Option<Question> {
        let (item, other) = self.pair(rng)?;
        let side = Side::clear(|side| self.advance(side, other, item))?;
        let sentence = format!("[{}] is {} [{}].", item.tag, of_side(side), other.tag);
        let terms = Terms { n: &item.tag, m: &other.tag, ..Terms::default() };
        self.word_it(Ask::Direction, terms, side.name(), sentence, rng)
    }

    fn colour(&self, rng: &mut impl Rng) -> Option<Question> {
        let coloured: Vec<_> =
            self.marked.items.iter().filter(|item| item.colour.is_some()).collect();
        let item = coloured.choose(rng)?;
        let colour = item.colour?.name();
        let terms = Terms { n: &item.tag, ..Terms::default() };
        self.word_it(Ask::Colour, terms, colour, format!("[{}] is {colour}.", item.tag), rng)
    }

    fn larger(&self, rng: &mut impl Rng) -> Option<Question> {
        let (item, other) = self.pair(rng)?;
        let (small, large) = if item.area < other.area { (item, other) } else { (other, item) };
        if (large.area as f32) < DOMINANT * small.area as f32 {
            return None;
        }
        let mark = format!("[{}]", large.tag);
        let sentence = format!("{mark} takes up more of the picture.");
        let terms = Terms { n: &item.tag, m: &other.tag, ..Terms::default() };
        self.word_it(Ask::Larger, terms, &mark, sentence, rng)
    }

    fn word_it(
        &self,
        ask: Ask,
        terms: Terms<'_>,
        word: &str,
        sentence: String,
        rng: &mut impl Rng,
    ) -> Option<Question> {
        let wording = templates::fill(ask.wordings().choose(rng)?, labels_of(&self.marked.tags()));
        let text = wording
            .replace("{n}", terms.n)
            .replace("{m}", terms.m)
            .replace("{side}", terms.side.map_or("", of_side))
            .replace("{plural}", &plural(terms.name))
            .replace("{a}", &with_article(terms.name))
            .replace("{name}", terms.name);
        let answer = match self.answers {
            Wording::Sentences => sentence,
            Wording::Words => word.to_owned(),
        };
        let mut subject = [terms.n, terms.m, terms.name].map(str::to_owned).to_vec();
        subject.retain(|term| !term.is_empty());
        // Of two items it is the same to ask about one or the other.
        subject.sort_unstable();
        Some(Question { ask, text, answer, subject })
    }

    fn item(&self, rng: &mut impl Rng) -> Option<&Item> {
        self.marked.items.choose(rng)
    }

    fn pair(&self, rng: &mut impl Rng) -> Option<(&Item, &Item)> {
        let mut pair = self.marked.items.sample(rng, 2);
        Some((pair.next()?, pair.next()?))
    }

    /// The tags of the items of a name.
    fn of_name(&self, name: &str) -> Vec<&str> {
        let items = self.marked.items.iter().filter(|item| item.name == name);
        items.map(|item| item.tag.as_str()).collect()
    }

    /// A name that no mark stands for.
    fn absent(&self, rng: &mut impl Rng) -> Option<&String> {
        let free: Vec<_> = self.names.iter().filter(|name| self.of_name(name).is_empty()).collect();
        free.choose(rng).copied()
    }

    /// How far `to` lies from `from` in a direction, in shares of the picture.
    fn advance(&self, side: Side, from: &Item, to: &Item) -> f32 {
        let [[x1, y1], [x2, y2]] = [from.centre(), to.centre()];
        let [width, height] = self.marked.size.map(|pixels| pixels.max(1) as f32);
        let (right, down) = ((x2 - x1) / width, (y2 - y1) / height);
        match side {
            Side::Left => -right,
            Side::Right => right,
            Side::Above => -down,
            Side::Below => down,
        }
    }
}
