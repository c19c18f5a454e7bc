//! Drawing questions from a scene.

use std::collections::BTreeMap;

use rand::{
    Rng, RngExt,
    seq::{IndexedRandom, SliceRandom},
};

use super::{
    kind::{Negative, TaskKind},
    phrase::{Terms, phrasings},
    place::{Side, percent_text},
};
use crate::scene::{
    build::{Object, Scene},
    names::{Group, NAMES, Name},
    plan,
    sprites::SpriteSet,
};

/// A question and the one right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub kind: TaskKind,
    /// The question.
    pub text: String,
    /// The answer.
    pub answer: String,
    /// Ids of the names it is about, in the order it speaks of them.
    pub subject: Vec<u16>,
    /// For a presence question answered with no: how the absent name was chosen.
    pub negative: Option<Negative>,
}

/// Which wordings are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phrasing {
    /// Always the first.
    Canonical,
    /// Any.
    Varied,
}

/// Draws questions about scenes made from one [`SpriteSet`].
#[derive(Clone, Debug)]
pub struct Asker {
    names: Vec<u16>,
    popular: Vec<u16>,
    groups: BTreeMap<Group, Vec<u16>>,
    phrasing: Phrasing,
    kinds: Vec<TaskKind>,
}

/// Share of the names shown once whose number is asked for beside those of others.
const SINGLE: f64 = 0.2;

impl Asker {
    /// Questions about what `sprites` can show.
    pub fn new(sprites: &SpriteSet, phrasing: Phrasing) -> Self {
        let names = sprites.names().to_vec();
        let groups = plan::groups(&names);
        let mut popular = names.clone();
        let often = |id: &u16| plan::frequency(*id, &names);
        popular.sort_by(|a, b| often(b).total_cmp(&often(a)));
        popular.truncate((names.len() / 8).max(4));
        Self { names, popular, groups, phrasing, kinds: TaskKind::ALL.into() }
    }

    /// The same, with questions of these kinds only.
    pub fn of_kinds(self, kinds: Vec<TaskKind>) -> Self {
        Self { kinds, ..self }
    }

    /// Up to `turns` questions, as evenly over the kinds as the scene allows.
    pub fn turns(&self, scene: &Scene, turns: usize, rng: &mut impl Rng) -> Vec<Question> {
        let mut piles: Vec<Vec<Question>> =
            self.kinds.iter().map(|kind| self.of_kind(*kind, scene, turns, rng)).collect();
        for (kind, pile) in self.kinds.iter().zip(&mut piles) {
            if *kind == TaskKind::Count {
                self.count_others(scene, pile, rng);
            }
        }
        piles.shuffle(rng);
        let mut drawn = Vec::new();
        while drawn.len() < turns && piles.iter().any(|pile| !pile.is_empty()) {
            drawn.extend(piles.iter_mut().filter_map(Vec::pop));
        }
        drawn.truncate(turns);
        drawn
    }

    /// Adds to a pile of counts those of the scene's other names that repeat, and of some of the
    /// rest; of all when nothing else is asked.
    fn count_others(&self, scene: &Scene, pile: &mut Vec<Question>, rng: &mut impl Rng) {
        let single = if self.kinds.len() == 1 && pile.is_empty() { 1.0 } else { SINGLE };
        let view = View { asker: self, scene };
        let mut names: Vec<u16> = scene.objects.iter().map(|object| object.name_id).collect();
        names.sort_unstable();
        names.dedup();
        names.shuffle(rng);
        for name in names {
            let asked = pile.iter().any(|question| question.subject == [name]);
            if !asked && (view.occurrences(name) > 1 || rng.random_bool(single)) {
                pile.extend(view.count_of(name, rng));
            }
        }
    }

    /// Up to `per_kind` different questions of each kind that the scene has an answer to.
    pub fn questions(&self, scene: &Scene, per_kind: usize, rng: &mut impl Rng) -> Vec<Question> {
        let kinds = self.kinds.iter();
        kinds.flat_map(|kind| self.of_kind(*kind, scene, per_kind, rng)).collect()
    }

    fn of_kind(
        &self,
        kind: TaskKind,
        scene: &Scene,
        most: usize,
        rng: &mut impl Rng,
    ) -> Vec<Question> {
        let view = View { asker: self, scene };
        let mut found: Vec<Question> = Vec::new();
        let mut truth = rng.random_bool(0.5);
        // A few spare draws, since a draw may repeat an earlier one.
        for _ in 0..3 * most {
            if found.len() == most {
                break;
            }
            let question = match kind {
                TaskKind::List => view.list(rng),
                TaskKind::Name => view.name(rng),
                TaskKind::NameAt => view.name_at(rng),
                TaskKind::Presence => view.presence(truth, rng),
                TaskKind::Count => view.count(rng),
                TaskKind::Colour => view.colour(rng),
                TaskKind::Relation => view.relation(truth, rng),
                TaskKind::Direction => view.direction(rng),
                TaskKind::Word => view.word(rng),
                TaskKind::Box => view.place(rng),
            };
            let Some(question) = question else { break };
            // Whatever the wording, a second question with the same subject tells nothing new.
            let key = |q: &Question| (q.subject.clone(), q.answer.clone());
            if found.iter().all(|other| key(other) != key(&question)) {
                found.push(question);
                truth = !truth;
            } else if kind == TaskKind::Count {
                // Drawing on would end at absent names, and at 0 for an answer, every time.
                break;
            }
        }
        found
    }
}

struct View<'a> {
    asker: &'a Asker,
    scene: &'a Scene,
}

impl View<'_> {
    fn list(&self, rng: &mut impl Rng) -> Option<Question> {
        let mut objects: Vec<_> = self.scene.objects.iter().collect();
        objects.sort_by(|a, b| a.centre()[0].total_cmp(&b.centre()[0]));
        let mut subject: Vec<u16> = Vec::new();
        for object in objects {
            if !subject.contains(&object.name_id) {
                subject.push(object.name_id);
            }
        }
        let named: Vec<_> = subject.iter().filter_map(|id| Some(named(*id)?.name)).collect();
        (!named.is_empty()).then(|| {
            self.word_it(TaskKind::List, Terms::default(), named.join(", "), subject, rng)
        })?
    }

    fn name(&self, rng: &mut impl Rng) -> Option<Question> {
        let [object] = self.scene.objects.as_slice() else { return None };
        let answer = object.name().name.to_owned();
        self.word_it(TaskKind::Name, Terms::default(), answer, vec![object.name_id], rng)
    }

    fn name_at(&self, rng: &mut impl Rng) -> Option<Question> {
        let object = self.scene.objects.choose(rng)?;
        let terms = Terms { place: Some(self.box_of(object)), ..Terms::default() };
        let answer = object.name().name.to_owned();
        self.word_it(TaskKind::NameAt, terms, answer, vec![object.name_id], rng)
    }

    fn presence(&self, truth: bool, rng: &mut impl Rng) -> Option<Question> {
        let (name, negative) = if truth {
            (self.scene.objects.choose(rng)?.name_id, None)
        } else {
            let (name, negative) = self.absent(rng)?;
            (name, Some(negative))
        };
        let answer = if negative.is_some() { "no" } else { "yes" };
        let terms = Terms { name: named(name), ..Terms::default() };
        let question =
            self.word_it(TaskKind::Presence, terms, answer.to_owned(), vec![name], rng)?;
        Some(Question { negative, ..question })
    }

    fn count(&self, rng: &mut impl Rng) -> Option<Question> {
        let ids = self.scene.objects.iter().map(|o| o.name_id);
        let most = ids.max_by_key(|id| self.occurrences(*id))?;
        // Most names occur once: without this, "1" would be nearly every answer.
        if self.occurrences(most) == 1 && rng.random_bool(0.75) {
            return None;
        }
        let name = match rng.random::<f32>() {
            p if p < 0.12 => self.absent(rng)?.0,
            p if p < 0.85 => most,
            _ => self.scene.objects.choose(rng)?.name_id,
        };
        self.count_of(name, rng)
    }

    fn count_of(&self, name: u16, rng: &mut impl Rng) -> Option<Question> {
        let terms = Terms { name: named(name), ..Terms::default() };
        let answer = self.occurrences(name).to_string();
        self.word_it(TaskKind::Count, terms, answer, vec![name], rng)
    }

    fn colour(&self, rng: &mut impl Rng) -> Option<Question> {
        let coloured: Vec<_> = self.unique().filter(|o| o.colour.is_some()).collect();
        let object = coloured.choose(rng)?;
        let terms = Terms { name: named(object.name_id), ..Terms::default() };
        let answer = object.colour?.name().to_owned();
        self.word_it(TaskKind::Colour, terms, answer, vec![object.name_id], rng)
    }

    fn relation(&self, truth: bool, rng: &mut impl Rng) -> Option<Question> {
        let (object, other) = self.pair(rng)?;
        let mut sides = Side::ALL;
        sides.shuffle(rng);
        let advance = |side| self.advance(side, other, object);
        let side = sides.into_iter().find(|side| side.lies(advance) == Some(truth))?;
        let terms = Terms { side: Some(side), ..both(object, other) };
        let answer = if truth { "yes" } else { "no" };
        let subject = vec![object.name_id, other.name_id];
        self.word_it(TaskKind::Relation, terms, answer.to_owned(), subject, rng)
    }

    fn direction(&self, rng: &mut impl Rng) -> Option<Question> {
        let (object, other) = self.pair(rng)?;
        let side = Side::clear(|side| self.advance(side, other, object))?;
        let subject = vec![object.name_id, other.name_id];
        let answer = side.name().to_owned();
        self.word_it(TaskKind::Direction, both(object, other), answer, subject, rng)
    }

    fn word(&self, rng: &mut impl Rng) -> Option<Question> {
        let [word] = self.scene.words.as_slice() else { return None };
        self.word_it(TaskKind::Word, Terms::default(), word.text.to_owned(), Vec::new(), rng)
    }

    fn place(&self, rng: &mut impl Rng) -> Option<Question> {
        let unique: Vec<_> = self.unique().collect();
        let object = unique.choose(rng)?;
        let terms = Terms { name: named(object.name_id), ..Terms::default() };
        self.word_it(TaskKind::Box, terms, self.box_of(object), vec![object.name_id], rng)
    }

    fn word_it(
        &self,
        kind: TaskKind,
        terms: Terms<'_>,
        answer: String,
        subject: Vec<u16>,
        rng: &mut impl Rng,
    ) -> Option<Question> {
        let wordings = phrasings(kind);
        let wording = match self.asker.phrasing {
            Phrasing::Canonical => wordings.first()?,
            Phrasing::Varied => wordings.choose(rng)?,
        };
        Some(Question { kind, text: terms.fill(wording), answer, subject, negative: None })
    }

    /// A name that the scene does not show.
    fn absent(&self, rng: &mut impl Rng) -> Option<(u16, Negative)> {
        let negative = *Negative::ALL.choose(rng)?;
        let adversarial = |rng: &mut _| {
            let group = self.scene.objects.choose(rng)?.name().group;
            self.asker.groups.get(&group)
        };
        let pool = match negative {
            Negative::Random => &self.asker.names,
            Negative::Popular => &self.asker.popular,
            Negative::Adversarial => adversarial(rng)?,
        };
        let free: Vec<_> = pool.iter().filter(|id| self.occurrences(**id) == 0).collect();
        match free.choose(rng) {
            Some(id) => Some((**id, negative)),
            // A scene can show all of a small pool.
            None => {
                let any = |id: &&u16| self.occurrences(**id) == 0;
                let free: Vec<_> = self.asker.names.iter().filter(any).collect();
                free.choose(rng).map(|id| (**id, Negative::Random))
            }
        }
    }

    fn occurrences(&self, name: u16) -> usize {
        self.scene.objects.iter().filter(|o| o.name_id == name).count()
    }

    /// Objects that their name alone points at.
    fn unique(&self) -> impl Iterator<Item = &Object> {
        self.scene.objects.iter().filter(|o| self.occurrences(o.name_id) == 1)
    }

    fn pair(&self, rng: &mut impl Rng) -> Option<(&Object, &Object)> {
        let mut unique: Vec<_> = self.unique().collect();
        unique.shuffle(rng);
        match unique.as_slice() {
            [first, second, ..] => Some((first, second)),
            _ => None,
        }
    }

    /// How far `to` lies from `from` in a direction, in shares of the picture.
    fn advance(&self, side: Side, from: &Object, to: &Object) -> f32 {
        side.advance(from.centre(), to.centre()) / self.scene.image.width().max(1) as f32
    }

    fn box_of(&self, object: &Object) -> String {
        percent_text(object.bbox, self.scene.image.width())
    }
}

fn named(id: u16) -> Option<&'static Name> {
    NAMES.get(usize::from(id))
}

fn both(object: &Object, other: &Object) -> Terms<'static> {
    Terms { name: named(object.name_id), other: named(other.name_id), ..Terms::default() }
}
