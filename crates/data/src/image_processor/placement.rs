//! Where a picture's pixels lie in what an encoder sees.

/// A map from places in a picture to places in its view; both count from the upper left corner of
/// the upper left pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Width and height of the view.
    pub size: [u32; 2],
    /// Pixels of the view to a pixel of the picture, across and down.
    pub scale: [f64; 2],
    /// Where the picture's corner lies in the view.
    pub offset: [f64; 2],
}

impl Placement {
    /// The place in the picture that is seen at a place of the view; outside the picture where
    /// padding is seen.
    pub fn source(&self, place: [f64; 2]) -> [f64; 2] {
        std::array::from_fn(|axis| (place[axis] - self.offset[axis]) / self.scale[axis])
    }

    /// The patch, row by row, in which a place of the picture is seen, if it is; `grid` is the number
    /// of patches down and across the view.
    pub fn patch(&self, place: [f64; 2], grid: [usize; 2]) -> Option<usize> {
        let [column, row] = std::array::from_fn(|axis| {
            let seen = place[axis] * self.scale[axis] + self.offset[axis];
            (seen * grid[1 - axis] as f64 / f64::from(self.size[axis])).floor()
        });
        let inside = |at: f64, count: usize| at >= 0.0 && at < count as f64;
        (inside(row, grid[0]) && inside(column, grid[1]))
            .then(|| row as usize * grid[1] + column as usize)
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::super::{CropSize, ImageProcessor, Kind, Resample, Size};

    /// A bright pixel block is seen where the placement says, through padding, resizing and crop.
    #[test]
    fn what_is_seen_lies_where_the_placement_says() {
        let base =
            |kind| ImageProcessor { resample: Resample::Bilinear, ..ImageProcessor::new(kind) };
        let processors = [
            ImageProcessor { size: Size::Exact { height: 48, width: 80 }, ..base(Kind::Siglip) },
            ImageProcessor {
                size: Size::ShortestEdge { shortest_edge: 60, longest_edge: None },
                do_center_crop: true,
                crop_size: Some(CropSize { height: 56, width: 56 }),
                ..base(Kind::Clip)
            },
            ImageProcessor {
                size: Size::ShortestEdge { shortest_edge: 30, longest_edge: None },
                do_center_crop: true,
                crop_size: Some(CropSize { height: 56, width: 56 }),
                ..base(Kind::Clip)
            },
            ImageProcessor {
                do_pad: true,
                size: Size::ShortestEdge { shortest_edge: 64, longest_edge: None },
                do_center_crop: false,
                ..base(Kind::Llava)
            },
        ];
        let (width, height) = (120, 90);
        let block = [60.0, 40.0];
        let mut image = RgbImage::new(width, height);
        for (x, y) in (56..64).flat_map(|x| (36..44).map(move |y| (x, y))) {
            image.put_pixel(x, y, Rgb([255; 3]));
        }
        for processor in processors {
            // Padding is of the mean colour, which is not to be mistaken for the block.
            let view = processor.view(&image).unwrap();
            let placement = processor.placement(width, height).unwrap();
            assert_eq!(placement.size, [view.width(), view.height()]);
            let (mut total, mut centre) = (0.0, [0.0; 2]);
            for (x, y, pixel) in view.enumerate_pixels() {
                let weight = f64::from(pixel[0].saturating_sub(140));
                total += weight;
                centre[0] += weight * (f64::from(x) + 0.5);
                centre[1] += weight * (f64::from(y) + 0.5);
            }
            let source = placement.source(centre.map(|sum| sum / total));
            for (found, expected) in source.into_iter().zip(block) {
                assert!((found - expected).abs() < 0.6, "{processor:?}: {source:?}");
            }
            let [x, y] = centre.map(|sum| sum / total);
            let [width, height] = placement.size.map(f64::from);
            let expected = (y / height * 8.0) as usize * 10 + (x / width * 10.0) as usize;
            assert_eq!(placement.patch(source, [8, 10]), Some(expected), "{processor:?}");
            assert_eq!(placement.patch([-1e4, 40.0], [8, 10]), None);
            assert_eq!(placement.patch([60.0, 1e4], [8, 10]), None);
        }
    }
}
