//! Small holes and islands; reference: `remove_small_regions` in `amg.py` of `segment-anything`.

use super::runs::{Run, Runs};

/// Fills holes of fewer than `least` pixels; gives whether there were any. What lies around the mask
/// counts as a hole too, as in the reference.
pub fn fill_holes(mask: &Runs, picture: [u32; 2], least: u64) -> (Runs, bool) {
    let rest = mask.complement(picture);
    let regions = Regions::of(&rest);
    if regions.areas.iter().all(|area| *area >= least) {
        return (mask.clone(), false);
    }
    let kept = rest.iter().zip(&regions.labels);
    let kept = kept.filter(|(_, label)| regions.areas[**label] >= least).map(|(run, _)| run);
    (Runs::new(kept).complement(picture), true)
}

/// Removes islands of fewer than `least` pixels, but not the largest of all; gives whether there
/// were any.
pub fn remove_islands(mask: &Runs, least: u64) -> (Runs, bool) {
    let regions = Regions::of(mask);
    if regions.areas.iter().all(|area| *area >= least) {
        return (mask.clone(), false);
    }
    let most = regions.areas.iter().copied().max().unwrap_or(0);
    let largest = regions.areas.iter().position(|area| *area == most);
    let keep = |label: usize| match most >= least {
        true => regions.areas[label] >= least,
        false => Some(label) == largest,
    };
    let kept = mask.iter().zip(&regions.labels).filter(|(_, label)| keep(**label));
    (Runs::new(kept.map(|(run, _)| run)), true)
}

/// Connected regions, corners included.
struct Regions {
    /// The region of each run.
    labels: Vec<usize>,
    /// Pixels of each region.
    areas: Vec<u64>,
}

impl Regions {
    /// Regions in the order in which they are met, row by row.
    fn of(mask: &Runs) -> Self {
        let runs: Vec<Run> = mask.iter().collect();
        let mut forest = Forest((0..runs.len()).collect());
        // Of the row above, the first run that may still touch one of this row.
        let mut above = 0;
        for (i, run) in runs.iter().enumerate() {
            while above < i && (runs[above].y + 1 < run.y || before(&runs[above], run)) {
                above += 1;
            }
            let touching = runs[above..i].iter().take_while(|a| a.y < run.y && a.x1 <= run.x2);
            for k in above..above + touching.count() {
                forest.join(k, i);
            }
        }
        let mut numbers = vec![usize::MAX; runs.len()];
        let (mut labels, mut areas) = (Vec::with_capacity(runs.len()), Vec::new());
        for (i, run) in runs.iter().enumerate() {
            let root = forest.root(i);
            if numbers[root] == usize::MAX {
                numbers[root] = areas.len();
                areas.push(0);
            }
            labels.push(numbers[root]);
            areas[numbers[root]] += u64::from(run.x2 - run.x1);
        }
        Self { labels, areas }
    }
}

/// Whether a run of the row above ends before it could touch a run, or any that follows.
fn before(above: &Run, run: &Run) -> bool {
    above.y + 1 == run.y && above.x2 < run.x1
}

/// Disjoint sets (Tarjan, 1975): of each element, one nearer its set's root.
struct Forest(Vec<usize>);

impl Forest {
    fn root(&mut self, mut element: usize) -> usize {
        while self.0[element] != element {
            self.0[element] = self.0[self.0[element]];
            element = self.0[element];
        }
        element
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::runs::tests::{bitmap, from_bitmap, to_bitmap},
        *,
    };

    /// The regions of a bitmap by flooding, as lists of places.
    fn flood(bits: &[bool], width: u32) -> Vec<Vec<usize>> {
        let (width, height) = (width as usize, bits.len() / width as usize);
        let mut seen = vec![false; bits.len()];
        let mut regions = Vec::new();
        for start in 0..bits.len() {
            if !bits[start] || seen[start] {
                continue;
            }
            let (mut region, mut front) = (Vec::new(), vec![start]);
            seen[start] = true;
            while let Some(place) = front.pop() {
                region.push(place);
                let (x, y) = (place % width, place / width);
                for ny in y.saturating_sub(1)..(y + 2).min(height) {
                    for nx in x.saturating_sub(1)..(x + 2).min(width) {
                        let next = ny * width + nx;
                        if bits[next] && !seen[next] {
                            seen[next] = true;
                            front.push(next);
                        }
                    }
                }
            }
            regions.push(region);
        }
        regions
    }

    #[test]
    fn regions_are_those_that_flooding_finds() {
        let size = [23, 17];
        for (seed, chance) in (0..30).flat_map(|seed| [(seed, 0.15), (seed, 0.4), (seed, 0.6)]) {
            let bits = bitmap(seed, size, chance);
            let mask = from_bitmap(&bits, size[0]);
            for least in [2, 4, 40] {
                let mut islands = bits.clone();
                let regions = flood(&bits, size[0]);
                let small = regions.iter().filter(|region| region.len() < least);
                let largest = regions.iter().map(Vec::len).max().unwrap();
                let spared = regions.iter().position(|region| region.len() == largest).unwrap();
                let mut any = false;
                for region in small {
                    any = true;
                    if largest >= least || region != &regions[spared] {
                        region.iter().for_each(|place| islands[*place] = false);
                    }
                }
                let (found, changed) = remove_islands(&mask, least as u64);
                assert_eq!(to_bitmap(&found, size), islands, "seed {seed}, least {least}");
                assert_eq!(changed, any);

                let mut filled = bits.clone();
                let around: Vec<bool> = bits.iter().map(|bit| !bit).collect();
                let mut any = false;
                for hole in flood(&around, size[0]).iter().filter(|hole| hole.len() < least) {
                    any = true;
                    hole.iter().for_each(|place| filled[*place] = true);
                }
                let (found, changed) = fill_holes(&mask, size, least as u64);
                assert_eq!(to_bitmap(&found, size), filled, "seed {seed}, least {least}");
                assert_eq!(changed, any);
            }
        }
    }
}
