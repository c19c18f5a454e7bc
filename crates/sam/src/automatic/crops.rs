//! Parts of a picture that are looked at by themselves.

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// `[x1, y1, x2, y2)`
    pub bbox: [u32; 4],
    /// 0 for the whole picture; each further one halves the side.
    pub layer: usize,
}

/// The whole picture, then for each layer a square of overlapping crops, column by column
/// (`generate_crop_boxes` in `amg.py` of `segment-anything`). Crops that a small picture leaves
/// without pixels are left out.
pub fn crops([width, height]: [u32; 2], layers: usize, overlap: f64) -> Vec<Crop> {
    let mut crops = vec![Crop { bbox: [0, 0, width, height], layer: 0 }];
    for layer in 1..=layers {
        let count = 1u64 << layer;
        let shorter = f64::from(width.min(height));
        let overlap = (overlap * shorter * (2.0 / count as f64)) as u64;
        let spans = |size: u32| {
            let length = (overlap * (count - 1) + u64::from(size)).div_ceil(count);
            let end = move |start: u64| (start + length).min(u64::from(size));
            let starts = (0..count).map(move |i| (length.saturating_sub(overlap)) * i);
            starts.map(move |start| [start, end(start)]).filter(|[start, end]| start < end)
        };
        for [x1, x2] in spans(width) {
            for [y1, y2] in spans(height) {
                // Within the picture, whose sides are of this type.
                crops.push(Crop { bbox: [x1, y1, x2, y2].map(|place| place as u32), layer });
            }
        }
    }
    crops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_are_the_references() {
        let boxes = |size, layers| -> Vec<_> {
            crops(size, layers, 512.0 / 1500.0).into_iter().map(|crop| crop.bbox).collect()
        };
        // `generate_crop_boxes((1000, 1500), 1, 512 / 1500)`.
        let one = [
            [0, 0, 1500, 1000],
            [0, 0, 921, 671],
            [0, 330, 921, 1000],
            [580, 0, 1500, 671],
            [580, 330, 1500, 1000],
        ];
        assert_eq!(boxes([1500, 1000], 1), one);
        assert_eq!(boxes([1500, 1000], 2).len(), 1 + 4 + 16);
        assert_eq!(boxes([1, 1], 2), [[0, 0, 1, 1]; 3]);
    }

    #[test]
    fn every_layer_covers_the_picture() {
        for size in [[1, 1], [2, 3], [7, 1000], [640, 480]] {
            for layer in 0..4 {
                let crops = crops(size, 3, 0.34);
                let layer: Vec<_> = crops.iter().filter(|crop| crop.layer == layer).collect();
                for (x, y) in [(0, 0), (size[0] - 1, size[1] - 1), (size[0] / 2, size[1] / 3)] {
                    let covers = |crop: &&Crop| {
                        let [x1, y1, x2, y2] = crop.bbox;
                        (x1..x2).contains(&x) && (y1..y2).contains(&y)
                    };
                    assert!(layer.iter().any(covers), "{size:?} ({x}, {y})");
                }
            }
        }
    }
}
