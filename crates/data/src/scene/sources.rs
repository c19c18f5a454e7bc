//! Where drawings, photographs and fonts come from: pinned packages.

use std::path::PathBuf;

use quintet_hub::Package;

use super::style::{Split, Style};
use crate::{Error, Result};

/// The icon set of a style, if it is one.
pub(super) fn drawings(style: Style) -> Option<Package> {
    let (name, version, sha256) = match style {
        Style::Noto => (
            "@iconify-json/noto",
            "1.2.9",
            "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
        ),
        Style::NotoV1 => (
            "@iconify-json/noto-v1",
            "1.2.5",
            "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
        ),
        Style::Fluent => (
            "@iconify-json/fluent-emoji-flat",
            "1.2.6",
            "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        ),
        Style::Twemoji => (
            "@iconify-json/twemoji",
            "1.2.5",
            "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
        ),
        Style::Openmoji => (
            "@iconify-json/openmoji",
            "1.2.29",
            "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5",
        ),
        Style::FluentShaded => (
            "@iconify-json/fluent-emoji",
            "1.2.7",
            "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
        ),
        Style::Emojione => (
            "@iconify-json/emojione",
            "1.2.3",
            "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
        ),
        Style::EmojioneV1 => (
            "@iconify-json/emojione-v1",
            "1.2.3",
            "6641d59d48a42823fdc2b84e7427e9f302944eb98d2c7d94d6e67c139e7b37b3",
        ),
        Style::Fxemoji => (
            "@iconify-json/fxemoji",
            "1.2.2",
            "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
        ),
        Style::Tuxpaint => return None,
    };
    Some(Package::npm(name, version, sha256))
}

/// The stock photographs used as backgrounds.
pub(super) fn photographs() -> Package {
    let sha256 = "97d1520d8f1e42b50d56eebc498074e51884271e5fc9fe8a1e3a2e6dfdd80b82";
    Package::npm("@tabler/preview", "1.2.0", sha256)
}

/// The photographs' files, in order of their names.
///
/// # Errors
/// When the package cannot be fetched or holds no photographs.
pub(super) fn photograph_files() -> Result<Vec<PathBuf>> {
    let folder = photographs().unpack()?.join("package/dist/static/photos");
    let io = |source| Error::Io { path: folder.clone(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|e| e == "jpg") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A font: its package and the files in it, one per weight.
pub(super) struct Font {
    pub package: &'static str,
    pub version: &'static str,
    pub sha256: &'static str,
    pub files: &'static [&'static str],
    pub split: Split,
}

/// Every font; validation reads words in faces that training never showed.
pub(super) const FONTS: &[Font] = &[
    Font {
        package: "@expo-google-fonts/roboto",
        version: "0.4.3",
        sha256: "d5fabe7f5e706dc3c6b4e39687c5a45f1b25975dd689d8d850a97f41a00fa85f",
        files: &["400Regular/Roboto_400Regular.ttf", "700Bold/Roboto_700Bold.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/open-sans",
        version: "0.4.2",
        sha256: "95d4fdbbb2862c4cc05dff55212730394d9af312b685cab740811c1ce7c4e5be",
        files: &["400Regular/OpenSans_400Regular.ttf", "700Bold/OpenSans_700Bold.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/lato",
        version: "0.4.1",
        sha256: "5cb54872e0134d491496bf10fa0afa305894f752f3ed6d4fa2f3f46a93545ed4",
        files: &["400Regular/Lato_400Regular.ttf", "700Bold/Lato_700Bold.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/roboto-slab",
        version: "0.4.2",
        sha256: "113090e3309bf54357abdfad7f921ab36ed4918bfbce13f2785f5faa5fe76dee",
        files: &["400Regular/RobotoSlab_400Regular.ttf", "700Bold/RobotoSlab_700Bold.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/oswald",
        version: "0.4.2",
        sha256: "0cc1d71781b4a5c6c0e6f8b346a71e3f898529e5343ffe34911f98232af2e78c",
        files: &["500Medium/Oswald_500Medium.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/nunito",
        version: "0.4.2",
        sha256: "0587c2bb273575fcd9238db5ea4405a65cb4f7ae8fcadfbef059c1b16ef8e773",
        files: &["700Bold/Nunito_700Bold.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/merriweather",
        version: "0.4.2",
        sha256: "4a2b090c3b585f0257bc3f8d362151e90a4975f420899e2db058ae89a9d691d3",
        files: &["400Regular/Merriweather_400Regular.ttf", "700Bold/Merriweather_700Bold.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/roboto-mono",
        version: "0.4.2",
        sha256: "c3107268606cc6a5dae023b4436af6b9bba9789a76f7cd4fe5a60d3987d5b63d",
        files: &["500Medium/RobotoMono_500Medium.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/poppins",
        version: "0.4.1",
        sha256: "de5ee7515fec3f68ce73aea4ceec8dee1d51434a3791bcdf1b994e76385a3c89",
        files: &["500Medium/Poppins_500Medium.ttf", "700Bold/Poppins_700Bold.ttf"],
        split: Split::Train,
    },
    Font {
        package: "@expo-google-fonts/fira-sans",
        version: "0.4.1",
        sha256: "89eaf2db7774f47fb5854c8193386ca5cccd591454555443439e49553d44a710",
        files: &["500Medium/FiraSans_500Medium.ttf", "700Bold/FiraSans_700Bold.ttf"],
        split: Split::Validation,
    },
    Font {
        package: "@expo-google-fonts/pt-serif",
        version: "0.4.1",
        sha256: "e389c34deddccd1db2ee8fb320bd301155a7820301240bf6e195e46b374a85f2",
        files: &["400Regular/PTSerif_400Regular.ttf", "700Bold/PTSerif_700Bold.ttf"],
        split: Split::Validation,
    },
];

impl Font {
    /// Paths of the font's files.
    ///
    /// # Errors
    /// When the package cannot be fetched or lacks a file.
    pub fn fetch(&self) -> Result<Vec<PathBuf>> {
        let package = Package::npm(self.package, self.version, self.sha256);
        let fetch = |file: &&str| Ok(package.file(&format!("package/{file}"))?);
        self.files.iter().map(fetch).collect()
    }
}
