//! Loading a model, and one answer of it.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use anyhow::Context;
use burn::{DType, Device};
use quintet_data::sample::Sample;
use quintet_models::{Multimodal, Processor};

use crate::sampling::SamplingArgs;

/// A model with what stands before it.
pub struct Loaded {
    pub model: Multimodal,
    pub processor: Processor,
}

/// What a model said.
pub struct Answer {
    pub text: String,
    pub tokens: usize,
    pub seconds: f64,
}

/// Where computation happens.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum DeviceArg {
    /// The best that this build has.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// A GPU through Vulkan.
    Vulkan,
    /// A GPU through WebGPU.
    Webgpu,
}

impl DeviceArg {
    /// The device.
    pub fn device(self) -> anyhow::Result<Device> {
        let absent = |name: &str| {
            anyhow::anyhow!("this build has no {name} support; build with `--features {name}`")
        };
        match self {
            Self::Auto => Ok(Device::default()),
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(burn::DeviceIndex::Default)),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => Err(absent("cuda")),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Ok(Device::vulkan(burn::DeviceKind::DefaultDevice)),
            #[cfg(not(feature = "vulkan"))]
            Self::Vulkan => Err(absent("vulkan")),
            #[cfg(feature = "webgpu")]
            Self::Webgpu => Ok(Device::webgpu(burn::DeviceKind::DefaultDevice)),
            #[cfg(not(feature = "webgpu"))]
            Self::Webgpu => Err(absent("webgpu")),
        }
    }
}

impl Loaded {
    /// Finds and loads a model by path, name or key.
    pub fn open(name: &str, device: DeviceArg) -> anyhow::Result<Self> {
        let device = device.device()?;
        let found = quintet_hub::resolve(name, &quintet_hub::Options::default())?;
        let model = Multimodal::load(&found.path, &device, DType::F32)
            .with_context(|| format!("cannot load model '{name}'"))?;
        let processor = Processor::load(&found.path, &model)
            .with_context(|| format!("cannot load model '{name}'"))?;
        Ok(Self { model, processor })
    }

    /// Continues a conversation; `say` receives the text as it comes.
    pub fn answer(
        &self,
        conversation: &Sample,
        sampling: &SamplingArgs,
        stop: &AtomicBool,
        mut say: impl FnMut(&str),
    ) -> anyhow::Result<Answer> {
        let started = Instant::now();
        let prompt = self.processor.encode_prompt(conversation)?;
        let options = sampling.generation(&self.processor);
        let mut stream = self.processor.tokenizer.detokenizer(true);
        let mut text = String::new();
        let mut failure = None;
        let texts = self.model.generate(vec![prompt], &options, |_, id| {
            match stream.push(id) {
                Ok(piece) => {
                    say(&piece);
                    text.push_str(&piece);
                }
                Err(error) => failure = Some(error),
            }
            match stop.load(Ordering::Relaxed) || failure.is_some() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        let rest = stream.finish()?;
        say(&rest);
        text.push_str(&rest);
        let tokens = texts.iter().map(Vec::len).sum();
        Ok(Answer {
            text: text.trim().to_owned(),
            tokens,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
