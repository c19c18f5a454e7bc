//! Where things are, in words and numbers.

/// Least distance of two centres, in shares of the picture's side, for one to be left of the other.
const MARGIN: f32 = 0.12;

/// How much one distance must outweigh the other for a direction to be the direction, and one area the
/// other for it to be the larger.
pub const DOMINANT: f32 = 1.5;

/// A direction in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Towards smaller x.
    Left,
    /// Towards larger x.
    Right,
    /// Towards smaller y.
    Above,
    /// Towards larger y.
    Below,
}

impl Side {
    /// Every direction.
    pub const ALL: [Side; 4] = [Side::Left, Side::Right, Side::Above, Side::Below];

    /// The answer that names it.
    pub fn name(self) -> &'static str {
        match self {
            Side::Left => "left",
            Side::Right => "right",
            Side::Above => "above",
            Side::Below => "below",
        }
    }

    /// Whether something that is so far away in this direction, in shares of the picture's side, lies
    /// there (`true`), on the opposite side (`false`), or on neither.
    pub fn lies(self, advance: impl Fn(Self) -> f32) -> Option<bool> {
        let advance = advance(self);
        (advance.abs() >= MARGIN).then_some(advance > 0.0)
    }

    /// The direction of something that is so far away in each, unless two will do.
    pub fn clear(advance: impl Fn(Self) -> f32) -> Option<Self> {
        let side = Self::ALL.into_iter().max_by(|a, b| advance(*a).total_cmp(&advance(*b)))?;
        let across = match side {
            Self::Left | Self::Right => advance(Self::Above).abs(),
            Self::Above | Self::Below => advance(Self::Left).abs(),
        };
        let far = advance(side);
        (far >= MARGIN && far >= DOMINANT * across).then_some(side)
    }

    /// As in "the dog is left of the bus".
    pub(super) fn short(self) -> &'static str {
        match self {
            Side::Left => "left of",
            Side::Right => "right of",
            Side::Above => "above",
            Side::Below => "below",
        }
    }

    /// As in "the dog is to the left of the bus".
    pub(super) fn long(self) -> &'static str {
        match self {
            Side::Left => "to the left of",
            Side::Right => "to the right of",
            Side::Above => "higher than",
            Side::Below => "lower than",
        }
    }

    /// How far `from` → `to` goes this way, in the points' unit.
    pub(super) fn advance(self, from: [f32; 2], to: [f32; 2]) -> f32 {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        match self {
            Side::Left => -dx,
            Side::Right => dx,
            Side::Above => -dy,
            Side::Below => dy,
        }
    }
}

/// A box in whole percent, 0 to 99, of the sides of a square picture.
pub fn percent(bbox: [f32; 4], size: u32) -> [u32; 4] {
    bbox.map(|v| ((v * 100.0 / size.max(1) as f32).round().max(0.0) as u32).min(99))
}

/// A box as questions and answers write it: `[12, 30, 45, 62]`.
pub fn percent_text(bbox: [f32; 4], size: u32) -> String {
    let [x1, y1, x2, y2] = percent(bbox, size);
    format!("[{x1}, {y1}, {x2}, {y2}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_counts_from_the_corner() {
        assert_eq!(percent_text([0.0, 16.0, 80.0, 160.0], 160), "[0, 10, 50, 99]");
    }

    #[test]
    fn sides_are_opposite() {
        let (a, b) = ([10.0, 10.0], [30.0, 50.0]);
        assert_eq!(Side::Right.advance(a, b), 20.0);
        assert_eq!(Side::Left.advance(a, b), -20.0);
        assert_eq!(Side::Below.advance(a, b), 40.0);
        assert_eq!(Side::Above.advance(a, b), -40.0);
    }
}
