//! Drawings inside the program.

use super::style::Style;

/// Icons as (name, SVG document).
type Icons = &'static [(&'static str, &'static str)];

macro_rules! icons {
    ($folder:literal: $($name:literal)*) => {
        &[$((
            $name,
            include_str!(concat!("../../../../assets/scene/", $folder, "/", $name, ".svg")),
        )),*]
    };
}

/// In the order of the table of names.
pub(super) const DRAWINGS: &[(Style, Icons)] = &[
    (
        Style::Noto,
        icons!("noto": "cat" "dog" "fish" "apple" "banana" "bus" "car" "house" "key" "umbrella" "guitar" "star"),
    ),
    (
        Style::NotoV1,
        icons!("noto-v1": "cat" "dog" "fish" "apple" "banana" "bus" "car" "house" "key" "umbrella" "guitar" "star"),
    ),
];
