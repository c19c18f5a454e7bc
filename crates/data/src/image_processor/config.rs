//! `preprocessor_config.json`, and the `image_processor` entry of `processor_config.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

use crate::{Error, Result, formats::atomic};

const CLIP_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

/// How pictures become tensors; serialises to the `preprocessor_config.json` of transformers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageProcessor {
    /// The processor of transformers whose steps are followed.
    #[serde(rename = "image_processor_type")]
    pub kind: Kind,
    /// Whether to resize to `size`.
    pub do_resize: bool,
    /// What to resize to.
    pub size: Size,
    /// The resampling filter.
    pub resample: Resample,
    /// Whether to cut out the centre.
    pub do_center_crop: bool,
    /// What size to cut out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_size: Option<CropSize>,
    /// Whether to multiply samples by `rescale_factor`.
    pub do_rescale: bool,
    /// Usually 1/255.
    pub rescale_factor: f64,
    /// Whether to subtract the mean and divide by the standard deviation.
    pub do_normalize: bool,
    /// Mean of each channel.
    #[serde(deserialize_with = "per_channel")]
    pub image_mean: [f64; 3],
    /// Standard deviation of each channel.
    #[serde(deserialize_with = "per_channel")]
    pub image_std: [f64; 3],
    /// Whether pictures of other modes become RGB; decoded pictures already are.
    pub do_convert_rgb: bool,
    /// Whether to pad to a square of the mean colour first (LLaVA).
    #[serde(default)]
    pub do_pad: bool,
    /// The original LLaVA's name for `do_pad`: `pad`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_aspect_ratio: Option<String>,
}

/// The image processors of transformers that share these steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// CLIP.
    #[serde(rename = "CLIPImageProcessor", alias = "CLIPFeatureExtractor")]
    #[serde(alias = "CLIPImageProcessorFast", alias = "CLIPImageProcessorPil")]
    Clip,
    /// SigLIP.
    #[serde(rename = "SiglipImageProcessor")]
    #[serde(alias = "SiglipImageProcessorFast", alias = "SiglipImageProcessorPil")]
    Siglip,
    /// BiT, which DINOv2 uses.
    #[serde(rename = "BitImageProcessor")]
    #[serde(alias = "BitImageProcessorFast", alias = "BitImageProcessorPil")]
    Bit,
    /// ViT.
    #[serde(rename = "ViTImageProcessor", alias = "ViTFeatureExtractor")]
    #[serde(alias = "ViTImageProcessorFast", alias = "ViTImageProcessorPil")]
    Vit,
    /// LLaVA with padding to a square.
    #[serde(rename = "LlavaImageProcessor")]
    #[serde(alias = "LlavaImageProcessorFast", alias = "LlavaImageProcessorPil")]
    Llava,
}

/// A size to resize to, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Size {
    /// Exactly this, whatever the aspect ratio.
    Exact {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// The shorter edge becomes this, as long as the longer one stays within its limit.
    ShortestEdge {
        /// The shorter edge.
        shortest_edge: u32,
        /// The longer edge's limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longest_edge: Option<u32>,
    },
    /// As large as fits.
    Within {
        /// Most rows.
        max_height: u32,
        /// Most columns.
        max_width: u32,
    },
}

/// A size to cut out of the centre, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CropSize {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

/// Pillow's resampling filters, written as its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "u8")]
pub enum Resample {
    /// The nearest sample.
    Nearest = 0,
    /// A sinc of three lobes.
    Lanczos = 1,
    /// A triangle.
    Bilinear = 2,
    /// Catmull-Rom's cubic (a = -0.5).
    Bicubic = 3,
    /// The mean of the covered samples.
    Box = 4,
    /// A Hamming-windowed sinc of one lobe.
    Hamming = 5,
}

impl ImageProcessor {
    /// The defaults of a processor of transformers.
    pub fn new(kind: Kind) -> Self {
        let half = [0.5; 3];
        let square = Size::Exact { height: 224, width: 224 };
        let shortest = Size::ShortestEdge { shortest_edge: 224, longest_edge: None };
        let (size, resample, crop, mean, std) = match kind {
            Kind::Clip | Kind::Bit | Kind::Llava => {
                (shortest, Resample::Bicubic, true, CLIP_MEAN, CLIP_STD)
            }
            Kind::Siglip => (square, Resample::Bicubic, false, half, half),
            Kind::Vit => (square, Resample::Bilinear, false, half, half),
        };
        Self {
            kind,
            do_resize: true,
            size,
            resample,
            do_center_crop: crop,
            crop_size: crop.then_some(CropSize { height: 224, width: 224 }),
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean: mean,
            image_std: std,
            do_convert_rgb: true,
            do_pad: false,
            image_aspect_ratio: None,
        }
    }

    /// Reads a model's folder: the `image_processor` entry of `processor_config.json`, or else
    /// `preprocessor_config.json`, in transformers' order.
    ///
    /// # Errors
    /// [`Error::Config`] if neither file gives a usable configuration.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let nested = dir.as_ref().join("processor_config.json");
        if nested.is_file()
            && let Some(value) = read_json(&nested)?.get("image_processor")
        {
            return Self::parse(value).map_err(|reason| Error::Config { path: nested, reason });
        }
        let path = dir.as_ref().join("preprocessor_config.json");
        if !path.is_file() {
            let reason = "missing, and processor_config.json has no image_processor entry: a \
                          model that reads pictures needs one of them"
                .into();
            return Err(Error::Config { path, reason });
        }
        Self::parse(&read_json(&path)?).map_err(|reason| Error::Config { path, reason })
    }

    /// Reads a configuration; fields that are absent or null take the processor's defaults.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field at fault.
    pub fn from_json(value: &Value) -> Result<Self> {
        Self::parse(value).map_err(|reason| Error::Config {
            path: PathBuf::from("preprocessor_config.json"),
            reason,
        })
    }

    /// Writes `preprocessor_config.json` into a folder, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<()> {
        let path = dir.as_ref().join("preprocessor_config.json");
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::Io { path: path.clone(), source: e.into() })?;
        atomic::write_bytes(&path, format!("{text}\n").as_bytes())
    }

    /// Whether pictures are padded to a square first.
    pub fn pads_to_square(&self) -> bool {
        self.do_pad || self.image_aspect_ratio.as_deref() == Some("pad")
    }

    fn parse(value: &Value) -> std::result::Result<Self, String> {
        let given = value.as_object().ok_or("expected a JSON object")?;
        let kind = match given.get("image_processor_type").or(given.get("feature_extractor_type")) {
            Some(kind) => {
                Kind::deserialize(kind).map_err(|e| format!("image_processor_type: {e}"))?
            }
            None => Kind::Clip,
        };
        let defaults = serde_json::to_value(Self::new(kind)).map_err(|e| e.to_string())?;
        let Value::Object(mut fields) = defaults else {
            return Err("expected a JSON object".into());
        };
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            let value = match (name.as_str(), value) {
                ("image_processor_type", _) => continue,
                // transformers takes a bare number as the shorter edge, except in ViT.
                ("size", Value::Number(edge)) if kind != Kind::Vit => {
                    Map::from_iter([("shortest_edge".to_string(), edge.clone().into())]).into()
                }
                ("size" | "crop_size", Value::Number(edge)) => {
                    rectangle(edge.clone().into(), edge.clone().into())
                }
                ("size" | "crop_size", Value::Array(pair)) => match pair.as_slice() {
                    [height, width] => rectangle(height.clone(), width.clone()),
                    _ => return Err(format!("{name}: expected [height, width]")),
                },
                _ => value.clone(),
            };
            fields.insert(name.clone(), value);
        }
        let processor = Self::deserialize(Value::Object(fields)).map_err(|e| e.to_string())?;
        processor.check_config()?;
        Ok(processor)
    }

    fn check_config(&self) -> std::result::Result<(), String> {
        if self.do_center_crop && self.crop_size.is_none() {
            return Err("do_center_crop is true, but crop_size is missing".into());
        }
        if self.do_pad && self.kind != Kind::Llava {
            return Err("do_pad is supported for LlavaImageProcessor only".into());
        }
        if !self.rescale_factor.is_normal() || self.image_std.contains(&0.0) {
            return Err("rescale_factor and image_std must not be zero".into());
        }
        Ok(())
    }
}

impl Size {
    /// The `(height, width)` that a picture is resized to.
    pub(super) fn resolve(&self, height: u64, width: u64) -> (u64, u64) {
        let (short, long) = (height.min(width), height.max(width));
        let oriented = |new_short: u64, new_long: u64| {
            if width <= height { (new_long, new_short) } else { (new_short, new_long) }
        };
        match *self {
            Size::Exact { height, width } => (height.into(), width.into()),
            Size::ShortestEdge { shortest_edge, longest_edge: None } => {
                oriented(shortest_edge.into(), u64::from(shortest_edge) * long / short)
            }
            // transformers' `get_size_with_aspect_ratio`.
            Size::ShortestEdge { shortest_edge, longest_edge: Some(limit) } => {
                let ratio = long as f64 / short as f64;
                if ratio * f64::from(shortest_edge) <= f64::from(limit) {
                    return oriented(shortest_edge.into(), u64::from(shortest_edge) * long / short);
                }
                let raw = f64::from(limit) * short as f64 / long as f64;
                let edge = raw.round_ties_even() as u64;
                if edge == short {
                    return (height, width);
                }
                oriented(edge, (raw * long as f64 / short as f64) as u64)
            }
            // transformers' `get_image_size_for_max_height_width`.
            Size::Within { max_height, max_width } => {
                let scale = (f64::from(max_height) / height as f64)
                    .min(f64::from(max_width) / width as f64);
                ((height as f64 * scale) as u64, (width as f64 * scale) as u64)
            }
        }
    }
}

impl From<Resample> for u8 {
    fn from(resample: Resample) -> Self {
        resample as u8
    }
}

impl<'de> Deserialize<'de> for Resample {
    /// Accepts Pillow's numbers and names, with or without an enum's prefix
    /// (`PILImageResampling.BICUBIC`).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        const FILTERS: [(&str, Resample); 6] = [
            ("nearest", Resample::Nearest),
            ("lanczos", Resample::Lanczos),
            ("bilinear", Resample::Bilinear),
            ("bicubic", Resample::Bicubic),
            ("box", Resample::Box),
            ("hamming", Resample::Hamming),
        ];
        let value = Value::deserialize(deserializer)?;
        let filter = match &value {
            Value::String(name) => {
                let name = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
                FILTERS.iter().find(|(known, _)| *known == name)
            }
            value => value.as_u64().and_then(|number| FILTERS.get(usize::try_from(number).ok()?)),
        };
        filter.map(|&(_, filter)| filter).ok_or_else(|| {
            D::Error::custom(format!(
                "resample {value}: expected a number 0 ... 5 or one of nearest, lanczos, \
                 bilinear, bicubic, box, hamming"
            ))
        })
    }
}

/// Accepts one number for all channels, or three.
fn per_channel<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<[f64; 3], D::Error> {
    let value = Value::deserialize(deserializer)?;
    match &value {
        Value::Array(channels) => match channels.as_slice() {
            [r, g, b] => r.as_f64().zip(g.as_f64()).zip(b.as_f64()).map(|((r, g), b)| [r, g, b]),
            _ => None,
        },
        value => value.as_f64().map(|number| [number; 3]),
    }
    .ok_or_else(|| D::Error::custom(format!("{value}: expected three numbers, one per channel")))
}

fn rectangle(height: Value, width: Value) -> Value {
    Map::from_iter([("height".to_string(), height), ("width".to_string(), width)]).into()
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Io { path: path.to_owned(), source })?;
    serde_json::from_str(&text)
        .map_err(|e| Error::Config { path: path.to_owned(), reason: format!("not JSON: {e}") })
}
