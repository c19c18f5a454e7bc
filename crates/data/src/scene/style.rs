//! Drawing styles: the emoji sets that draw the same names differently.

/// A drawing style. Training and validation are split by style, so that a score measures
/// whether a name was learnt and not whether a picture was remembered.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// Noto Emoji (Google), shaded.
    Noto,
    /// Noto Emoji as drawn until 2017.
    NotoV1,
    /// Fluent Emoji Flat (Microsoft).
    Fluent,
    /// Twemoji (Twitter), flat.
    Twemoji,
    /// OpenMoji, black outlines.
    Openmoji,
    /// Fluent Emoji with shades and lights.
    FluentShaded,
    /// EmojiOne 2; lacks a few names.
    Emojione,
    /// EmojiOne 1; lacks a fifth of the names.
    EmojioneV1,
    /// Firefox OS Emoji; lacks half of the names.
    Fxemoji,
    /// Tux Paint's stamps, most of them photographs, where they are installed (Debian's
    /// `tuxpaint-stamps-default`, or a folder that `QUINTET_STAMPS` names); a third of the names.
    Tuxpaint,
}

impl Style {
    /// Every style.
    pub const ALL: [Style; 10] = [
        Style::Noto,
        Style::NotoV1,
        Style::Fluent,
        Style::Twemoji,
        Style::Openmoji,
        Style::FluentShaded,
        Style::Emojione,
        Style::EmojioneV1,
        Style::Fxemoji,
        Style::Tuxpaint,
    ];

    /// Whether it draws every name.
    pub(super) fn draws_all(self) -> bool {
        !matches!(self, Style::Emojione | Style::EmojioneV1 | Style::Fxemoji | Style::Tuxpaint)
    }

    /// Its name in files and on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Style::Noto => "noto",
            Style::NotoV1 => "noto-v1",
            Style::Fluent => "fluent",
            Style::Twemoji => "twemoji",
            Style::Openmoji => "openmoji",
            Style::FluentShaded => "fluent-shaded",
            Style::Emojione => "emojione",
            Style::EmojioneV1 => "emojione-v1",
            Style::Fxemoji => "fxemoji",
            Style::Tuxpaint => "tuxpaint",
        }
    }
}

impl std::fmt::Display for Style {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key())
    }
}

impl std::str::FromStr for Style {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Style::ALL.into_iter().find(|style| style.key() == s).ok_or_else(|| {
            let known = Style::ALL.map(Style::key).join(", ");
            format!("{s:?} is no drawing style; there are {known}")
        })
    }
}

/// Which half of the fonts and background photos a picture may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For training.
    Train,
    /// Held out.
    Validation,
}
