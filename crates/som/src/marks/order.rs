//! In which order regions are marked.

use std::{borrow::Cow, cmp::Reverse};

use quintet_data::Mask;
use serde::{Deserialize, Serialize};

use crate::regions::{Region, Skipped};

/// In which order regions get their tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The largest first, as microsoft/SoM does.
    #[default]
    AreaDescending,
    /// The smallest first, and each without the pixels of those before it, as SoM-LLaVA does
    /// (`SoM/task_adapter/semantic_sam/tasks/inference_semsam_m2m_auto.py`).
    AreaAscending,
    /// Line by line from above, within a line from the left.
    Reading,
}

impl Order {
    /// Area in pixels below which a region gets no mark, unless another is asked for: 110 where
    /// regions lose pixels to others, as in SoM-LLaVA.
    pub fn min_area(self) -> u32 {
        match self {
            Self::AreaAscending => 110,
            Self::AreaDescending | Self::Reading => 1,
        }
    }
}

/// What is marked of a region.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// Position of the region.
    pub region: usize,
    /// Its pixels, or what others left of them.
    pub mask: Cow<'a, Mask>,
}

/// The regions in order, without those that are too small.
pub(super) fn arrange(
    regions: &[Region],
    order: Order,
    min_area: u32,
) -> (Vec<Part<'_>>, Vec<Skipped>) {
    let mut parts: Vec<Part> = regions
        .iter()
        .enumerate()
        .map(|(region, Region { mask, .. })| Part { region, mask: Cow::Borrowed(mask) })
        .collect();
    let mut skipped = Vec::new();
    let mut skip = |region: usize, reason: String| {
        skipped.push(Skipped { what: format!("region {region}"), reason });
    };
    match order {
        Order::AreaDescending => parts.sort_by_cached_key(|part| Reverse(part.mask.area())),
        Order::Reading => parts = read(parts),
        Order::AreaAscending => {
            parts.sort_by_cached_key(|part| part.mask.area());
            let mut taken: Option<Mask> = None;
            parts.retain_mut(|part| {
                let rest = match &taken {
                    Some(taken) => part.mask.minus(taken),
                    None => Some(part.mask.as_ref().clone()),
                };
                match &mut taken {
                    Some(taken) => taken.add(&part.mask),
                    None => taken = Some(part.mask.as_ref().clone()),
                }
                match rest {
                    Some(rest) => part.mask = Cow::Owned(rest),
                    None => skip(part.region, "smaller regions cover it".into()),
                }
                matches!(part.mask, Cow::Owned(_))
            });
        }
    }
    parts.retain(|part| {
        let area = part.mask.area();
        if area < min_area {
            skip(part.region, format!("its area is {area} px, less than {min_area}"));
        }
        area >= min_area
    });
    (parts, skipped)
}

/// Lines are made from above: those whose middles lie less than half of the usual height below the
/// middle of the uppermost belong to its line.
fn read(parts: Vec<Part>) -> Vec<Part> {
    let mut heights: Vec<u32> = parts.iter().map(|part| height(part)).collect();
    heights.sort_unstable();
    let usual = heights.get(heights.len() / 2).copied().unwrap_or(0);
    // Middles count in half pixels.
    let middle = |part: &Part| {
        let [_, y1, _, y2] = part.mask.bbox();
        y1 + y2
    };
    let mut rest = parts;
    rest.sort_by_key(|part| (middle(part), part.mask.bbox()));
    let mut lines: Vec<Vec<Part>> = Vec::new();
    for part in rest {
        match lines.last_mut() {
            Some(line)
                if line.first().is_some_and(|first| middle(&part) < middle(first) + usual) =>
            {
                line.push(part);
            }
            _ => lines.push(vec![part]),
        }
    }
    for line in &mut lines {
        line.sort_by_key(|part| part.mask.bbox());
    }
    lines.into_iter().flatten().collect()
}

fn height(part: &Part) -> u32 {
    let [_, y1, _, y2] = part.mask.bbox();
    y2 - y1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{marks::testing::Random, regions::Origin};

    fn positions(regions: &[Region], order: Order) -> Vec<usize> {
        arrange(regions, order, 1).0.iter().map(|part| part.region).collect()
    }

    #[test]
    fn by_area_the_largest_or_the_smallest_is_first() {
        let mut random = Random::new(1);
        for count in 0..12 {
            let regions = random.regions(count, 60, 50);
            let areas: Vec<u32> = positions(&regions, Order::AreaDescending)
                .into_iter()
                .map(|at| regions[at].mask.area())
                .collect();
            assert!(areas.is_sorted_by(|a, b| a >= b) && areas.len() == count);
            let (parts, skipped) = arrange(&regions, Order::AreaAscending, 1);
            assert_eq!(parts.len() + skipped.len(), count);
            let areas: Vec<u32> = parts.iter().map(|p| regions[p.region].mask.area()).collect();
            assert!(areas.is_sorted());
        }
    }

    #[test]
    fn what_the_smallest_first_leaves_is_apart_and_covers_the_same() {
        let mut random = Random::new(2);
        for _ in 0..60 {
            let regions = random.regions(8, 60, 50);
            let (parts, _) = arrange(&regions, Order::AreaAscending, 1);
            let (mut before, mut after) = (regions[0].mask.clone(), parts[0].mask.as_ref().clone());
            regions.iter().for_each(|region| before.add(&region.mask));
            for (i, part) in parts.iter().enumerate() {
                after.add(&part.mask);
                assert!(parts[..i].iter().all(|other| part.mask.overlap(&other.mask) == 0));
                assert_eq!(part.mask.minus(&regions[part.region].mask), None);
            }
            assert_eq!(before, after);
        }
    }

    #[test]
    fn small_ones_are_left_out_and_said() {
        let boxes = [[0, 0, 20, 20], [30, 0, 40, 10], [0, 0, 20, 25]];
        let regions = boxes.map(|b| Region::new(Mask::rectangle(b).unwrap(), Origin::Boxes));
        let (parts, skipped) = arrange(&regions, Order::AreaAscending, 110);
        assert_eq!(parts.iter().map(|p| p.region).collect::<Vec<_>>(), [0]);
        let said: Vec<_> = skipped.iter().map(|s| format!("{}: {}", s.what, s.reason)).collect();
        assert_eq!(
            said,
            [
                "region 1: its area is 100 px, less than 110",
                "region 2: its area is 100 px, less than 110"
            ]
        );
        let covered = [boxes[0], boxes[0]];
        let regions = covered.map(|b| Region::new(Mask::rectangle(b).unwrap(), Origin::Boxes));
        let (parts, skipped) = arrange(&regions, Order::AreaAscending, 1);
        assert_eq!((parts.len(), skipped.len()), (1, 1));
        assert_eq!(skipped[0].reason, "smaller regions cover it");
    }

    #[test]
    fn reading_goes_along_lines() {
        // Two lines of boxes that are not quite level, given in no order.
        let boxes = [
            [50, 42, 60, 52],
            [10, 3, 20, 13],
            [90, 0, 100, 10],
            [10, 40, 20, 50],
            [50, 1, 60, 11],
        ];
        let regions = boxes.map(|b| Region::new(Mask::rectangle(b).unwrap(), Origin::Boxes));
        assert_eq!(positions(&regions, Order::Reading), [1, 4, 2, 3, 0]);
    }

    #[test]
    fn every_order_is_a_permutation_that_ignores_how_regions_are_given() {
        let mut random = Random::new(4);
        for _ in 0..20 {
            let regions = random.regions(9, 80, 40);
            let mut turned = regions.clone();
            turned.reverse();
            for order in [Order::AreaDescending, Order::Reading] {
                let mut seen = positions(&regions, order);
                let tags = |given: &[Region]| -> Vec<u32> {
                    let at = positions(given, order).into_iter();
                    at.map(|at| given[at].mask.area()).collect()
                };
                assert_eq!(tags(&regions), tags(&turned));
                seen.sort_unstable();
                assert_eq!(seen, (0..9).collect::<Vec<_>>());
            }
        }
    }
}
