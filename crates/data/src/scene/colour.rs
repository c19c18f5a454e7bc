//! Naming colours.

use std::sync::LazyLock;

/// A basic colour term of English (Berlin and Kay, 1969).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it all
pub enum Colour {
    Red,
    Orange,
    Yellow,
    Green,
    Blue,
    Purple,
    Pink,
    Brown,
    Black,
    Grey,
    White,
}

impl Colour {
    /// Every colour.
    pub const ALL: [Colour; 11] = [
        Colour::Red,
        Colour::Orange,
        Colour::Yellow,
        Colour::Green,
        Colour::Blue,
        Colour::Purple,
        Colour::Pink,
        Colour::Brown,
        Colour::Black,
        Colour::Grey,
        Colour::White,
    ];

    /// The colour's name.
    pub fn name(self) -> &'static str {
        match self {
            Colour::Red => "red",
            Colour::Orange => "orange",
            Colour::Yellow => "yellow",
            Colour::Green => "green",
            Colour::Blue => "blue",
            Colour::Purple => "purple",
            Colour::Pink => "pink",
            Colour::Brown => "brown",
            Colour::Black => "black",
            Colour::Grey => "grey",
            Colour::White => "white",
        }
    }

    /// The name of one sRGB colour: the nearest example in Oklab.
    pub fn of(rgb: [u8; 3]) -> Colour {
        let [r, g, b] = rgb.map(|c| usize::from(c >> 3));
        let cell = TABLE.get(r << 10 | g << 5 | b).copied().unwrap_or(0);
        Colour::ALL.get(usize::from(cell)).copied().unwrap_or(Colour::Black)
    }

    /// The colour that an object's pixels have as a whole.
    ///
    /// `None` unless one colour covers at least half of them and twice as many as the next:
    /// an object that people would call two different things has no answer.
    pub fn dominant(pixels: impl Iterator<Item = [u8; 3]>) -> Option<Colour> {
        let mut counts = [0u32; Colour::ALL.len()];
        for pixel in pixels {
            counts[Colour::of(pixel) as usize] += 1;
        }
        let total: u32 = counts.iter().sum();
        let (best, &most) = counts.iter().enumerate().max_by_key(|(_, n)| **n)?;
        let second =
            counts.iter().enumerate().filter(|(i, _)| *i != best).map(|(_, n)| *n).max()?;
        (most > 0 && 2 * most >= total && most >= 2 * second)
            .then(|| Colour::ALL.get(best).copied())?
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Examples that people agree on, dark to light within each name.
const EXAMPLES: &[(Colour, [u8; 3])] = &[
    (Colour::Red, [130, 10, 20]),
    (Colour::Red, [180, 20, 30]),
    (Colour::Red, [220, 40, 45]),
    (Colour::Red, [250, 65, 60]),
    (Colour::Orange, [230, 110, 20]),
    (Colour::Orange, [255, 125, 45]),
    (Colour::Orange, [255, 155, 30]),
    (Colour::Orange, [250, 165, 85]),
    (Colour::Yellow, [215, 185, 30]),
    (Colour::Yellow, [255, 200, 50]),
    (Colour::Yellow, [255, 225, 40]),
    (Colour::Yellow, [255, 235, 130]),
    (Colour::Green, [15, 70, 35]),
    (Colour::Green, [60, 100, 40]),
    (Colour::Green, [30, 130, 60]),
    (Colour::Green, [90, 150, 70]),
    (Colour::Green, [70, 180, 80]),
    (Colour::Green, [150, 195, 50]),
    (Colour::Green, [165, 215, 125]),
    (Colour::Blue, [20, 35, 110]),
    (Colour::Blue, [30, 80, 180]),
    (Colour::Blue, [40, 110, 230]),
    (Colour::Blue, [30, 150, 200]),
    (Colour::Blue, [85, 170, 240]),
    (Colour::Blue, [110, 200, 235]),
    (Colour::Blue, [165, 210, 245]),
    (Colour::Purple, [75, 25, 100]),
    (Colour::Purple, [125, 45, 160]),
    (Colour::Purple, [115, 75, 190]),
    (Colour::Purple, [165, 100, 210]),
    (Colour::Purple, [195, 160, 235]),
    (Colour::Pink, [220, 50, 130]),
    (Colour::Pink, [245, 110, 165]),
    (Colour::Pink, [240, 140, 150]),
    (Colour::Pink, [255, 175, 200]),
    (Colour::Pink, [250, 200, 210]),
    (Colour::Brown, [65, 40, 30]),
    (Colour::Brown, [95, 60, 40]),
    (Colour::Brown, [130, 80, 50]),
    (Colour::Brown, [165, 105, 65]),
    (Colour::Brown, [190, 145, 105]),
    (Colour::Black, [0, 0, 0]),
    (Colour::Black, [28, 28, 30]),
    (Colour::Black, [48, 50, 54]),
    (Colour::Grey, [88, 90, 94]),
    (Colour::Grey, [95, 110, 120]),
    (Colour::Grey, [130, 130, 130]),
    (Colour::Grey, [140, 155, 165]),
    (Colour::Grey, [170, 172, 175]),
    (Colour::Grey, [195, 202, 207]),
    (Colour::White, [230, 232, 235]),
    (Colour::White, [255, 255, 255]),
];

/// sRGB to Oklab (Björn Ottosson, "A perceptual color space for image processing", 2020).
fn oklab(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(|c| {
        let c = f32::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

/// Names of the centres of 32³ cells of the sRGB cube: scenes name millions of pixels.
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let examples: Vec<_> = EXAMPLES.iter().map(|(c, rgb)| (*c as u8, oklab(*rgb))).collect();
    (0u32..32 * 32 * 32)
        .map(|cell| {
            let centre = [cell >> 10, cell >> 5 & 31, cell & 31].map(|v| (v * 8 + 4) as u8);
            let [l, a, b] = oklab(centre);
            // Hue separates names better than lightness does, so lightness counts half.
            let distance =
                |e: &[f32; 3]| 0.25 * (l - e[0]).powi(2) + (a - e[1]).powi(2) + (b - e[2]).powi(2);
            examples
                .iter()
                .min_by(|x, y| distance(&x.1).total_cmp(&distance(&y.1)))
                .map_or(0, |x| x.0)
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_colours_have_their_names() {
        let cases = [
            ([255, 0, 0], Colour::Red),
            ([255, 128, 0], Colour::Orange),
            ([255, 255, 0], Colour::Yellow),
            ([0, 160, 0], Colour::Green),
            ([0, 0, 255], Colour::Blue),
            ([128, 0, 128], Colour::Purple),
            ([255, 150, 190], Colour::Pink),
            ([120, 72, 40], Colour::Brown),
            ([0, 0, 0], Colour::Black),
            ([128, 128, 128], Colour::Grey),
            ([255, 255, 255], Colour::White),
        ];
        for (rgb, name) in cases {
            assert_eq!(Colour::of(rgb), name, "{rgb:?}");
        }
    }

    #[test]
    fn a_mixture_has_no_colour() {
        let half = (0..100).map(|i| if i % 2 == 0 { [255, 0, 0] } else { [0, 0, 255] });
        assert_eq!(Colour::dominant(half), None);
        let most = (0..100).map(|i| if i % 4 > 0 { [255, 0, 0] } else { [0, 0, 255] });
        assert_eq!(Colour::dominant(most), Some(Colour::Red));
        assert_eq!(Colour::dominant(std::iter::empty()), None);
    }
}
