//! Which names a scene shows.

use std::{borrow::Cow, collections::BTreeMap};

use rand::{
    Rng, RngExt,
    seq::{IndexedRandom, SliceRandom},
};

use super::names::{Group, NAMES};

/// Share of scenes whose names all come from one group.
const THEMED: f64 = 0.4;

/// Names by group.
pub(super) fn groups(names: &[u16]) -> BTreeMap<Group, Vec<u16>> {
    let mut groups: BTreeMap<Group, Vec<u16>> = BTreeMap::new();
    for id in names {
        if let Some(name) = NAMES.get(usize::from(*id)) {
            groups.entry(name.group).or_default().push(*id);
        }
    }
    groups
}

/// Some of the names, at equal distances.
pub(super) fn vocabulary(names: &[u16], size: Option<u32>) -> Cow<'_, [u16]> {
    match size.map(|size| size as usize) {
        Some(size) if size < names.len() => {
            (0..size).map(|i| names[i * names.len() / size]).collect()
        }
        _ => Cow::Borrowed(names),
    }
}

/// How often a name is drawn compared with others: themes favour names of small groups.
pub(super) fn frequency(name: u16, names: &[u16]) -> f64 {
    let groups = groups(names);
    let size = groups.values().find(|g| g.contains(&name)).map_or(usize::MAX, Vec::len);
    (1.0 - THEMED) / names.len() as f64 + THEMED / (groups.len() as f64 * size as f64)
}

/// As many names as may be, each drawn by itself; from `different` names, if that is given, or
/// fewer.
pub(super) fn crowd(
    names: &[u16],
    most: u32,
    different: Option<u32>,
    rng: &mut impl Rng,
) -> Vec<u16> {
    let most = most.clamp(1, 16);
    let Some(different) = different else {
        return (0..most).filter_map(|_| names.choose(rng).copied()).collect();
    };
    let few: Vec<u16> = (0..rng.random_range(1..=different.max(1)))
        .filter_map(|_| names.choose(rng).copied())
        .collect();
    let count = rng.random_range(2..=most.max(2));
    (0..count).filter_map(|_| few.choose(rng).copied()).collect()
}

/// The names of one scene, one entry per object, in the order they are placed.
///
/// A quarter of the scenes shows one object, so that naming is learnt apart from the crowd; four in
/// ten repeat a name two to six times, so that every count occurs about as often; the others mix.
pub(super) fn draw(names: &[u16], most: u32, rng: &mut impl Rng) -> Vec<u16> {
    let most = most.clamp(1, 16) as usize;
    let themes = groups(names);
    let theme: Vec<u16> = if rng.random_bool(THEMED) {
        let all: Vec<_> = themes.values().collect();
        all.choose(rng).map(|g| (*g).clone()).unwrap_or_default()
    } else {
        names.to_vec()
    };
    let pick = |rng: &mut _| theme.choose(rng).copied();
    let mut chosen = Vec::new();
    let kind: f32 = rng.random();
    if kind < 0.25 || most == 1 {
        chosen.extend(pick(rng));
        return chosen;
    }
    if kind < 0.65 {
        let copies = rng.random_range(2..=6).min(most);
        let name = pick(rng);
        chosen.extend(std::iter::repeat_n(name, copies).flatten());
        let others = rng.random_range(0..=(most - copies).min(3));
        chosen.extend((0..others).filter_map(|_| pick(rng).filter(|other| Some(*other) != name)));
    } else {
        let count = rng.random_range(2..=most);
        let mut pool = theme.clone();
        pool.shuffle(rng);
        chosen.extend(pool.into_iter().cycle().take(count));
    }
    chosen.shuffle(rng);
    chosen
}
