//! Colours of marks.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};

/// An sRGB colour, written `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// Black.
    pub const BLACK: Self = Self([0; 3]);
    /// White.
    pub const WHITE: Self = Self([255; 3]);

    /// Colour number `index` of an endless palette: hues a golden ratio of the circle apart, so
    /// that any number of them lie well spread, at three levels of lightness.
    pub fn of_palette(seed: u64, index: usize) -> Self {
        let mut state = seed;
        let start = (split_mix(&mut state) >> 40) as f32 / (1u64 << 24) as f32;
        // The fraction of a product that stays exact: positions repeat after 4096 colours.
        let hue = (start + (index % 4096) as f32 * 0.618_034).fract();
        let lightness = [0.62, 0.74, 0.5][index % 3];
        Self::from_hsl(hue, 0.95, lightness)
    }

    /// From hue (in turns), saturation and lightness.
    fn from_hsl(hue: f32, saturation: f32, lightness: f32) -> Self {
        let reach = saturation * lightness.min(1.0 - lightness);
        let part = |offset: f32| {
            let sixths = (offset + hue * 12.0) % 12.0;
            let value = lightness - reach * (sixths - 3.0).min(9.0 - sixths).clamp(-1.0, 1.0);
            (value * 255.0).round() as u8
        };
        Self([part(0.0), part(8.0), part(4.0)])
    }

    /// Relative luminance, 0 to 1 (W3C, *Web Content Accessibility Guidelines 2.2*).
    pub fn luminance(self) -> f32 {
        let [r, g, b] = self.0.map(|part| {
            let part = f32::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Contrast ratio of two colours, 1 to 21 (same source). Text needs 4.5.
    pub fn contrast(self, other: Self) -> f32 {
        let (a, b) = (self.luminance() + 0.05, other.luminance() + 0.05);
        a.max(b) / a.min(b)
    }

    /// Black or white, whichever contrasts more: 4.58 at the least.
    pub fn ground(self) -> Self {
        if self.contrast(Self::BLACK) >= self.contrast(Self::WHITE) {
            Self::BLACK
        } else {
            Self::WHITE
        }
    }
}

/// The next number of Vigna's SplitMix64.
pub(super) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').unwrap_or(text);
        let all = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| all);
        let number = number.ok_or_else(|| format!("{text:?} is no colour; expected #rrggbb"))?;
        let [_, r, g, b] = number.to_be_bytes();
        Ok(Self([r, g, b]))
    }
}

impl Serialize for Colour {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every colour of a coarse cube.
    fn cube() -> impl Iterator<Item = Colour> {
        let levels = || (0..=255u8).step_by(15);
        levels()
            .flat_map(move |r| levels().flat_map(move |g| levels().map(move |b| Colour([r, g, b]))))
    }

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        assert!((Colour::WHITE.contrast(Colour::BLACK) - 21.0).abs() < 1e-4);
        // The guidelines' tools give 4.48 for #777777 on white, and 4.54 for #767676.
        assert!((Colour([0x77; 3]).contrast(Colour::WHITE) - 4.478).abs() < 0.001);
        assert!((Colour([0x76; 3]).contrast(Colour::WHITE) - 4.542).abs() < 0.001);
    }

    #[test]
    fn every_colour_can_be_read_on_its_ground_and_the_pair_stands_out_anywhere() {
        for ink in cube() {
            let ground = ink.ground();
            assert!(ink.contrast(ground) >= 4.5, "{ink}");
            for picture in cube().step_by(37) {
                assert!(picture.contrast(ink).max(picture.contrast(ground)) > 2.1);
            }
        }
    }

    #[test]
    fn neighbours_in_the_palette_differ() {
        for seed in 0..20 {
            let colours: Vec<_> = (0..40).map(|i| Colour::of_palette(seed, i)).collect();
            let apart = |a: Colour, b: Colour| -> u32 {
                a.0.iter().zip(b.0).map(|(a, b)| u32::from(a.abs_diff(b))).sum()
            };
            for (i, a) in colours.iter().enumerate() {
                assert!(colours[i + 1..].iter().take(2).all(|b| apart(*a, *b) > 150));
                assert!(colours[i + 1..].iter().all(|b| a != b));
            }
        }
        assert_ne!(Colour::of_palette(0, 0), Colour::of_palette(1, 0));
        let primaries = [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|hue| Colour::from_hsl(hue, 1.0, 0.5).0);
        assert_eq!(primaries, [[255, 0, 0], [0, 255, 0], [0, 0, 255]]);
    }

    #[test]
    fn colours_are_written_as_they_are_read() {
        for colour in cube().step_by(11) {
            assert_eq!(colour.to_string().parse(), Ok(colour));
        }
        assert_eq!("1200ff".parse(), Ok(Colour([0x12, 0, 0xff])));
        for text in ["", "#12", "red", "#+12345", "#12345é"] {
            assert!(text.parse::<Colour>().is_err(), "{text}");
        }
    }
}
