//! The choice of the device.

use std::panic::{self, AssertUnwindSafe};

use burn::{Device, Tensor};

/// Where computation happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceArg {
    /// The best that this build has and this machine offers
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// An NVIDIA GPU
    Cuda,
    /// A GPU through Vulkan
    Vulkan,
    /// A GPU through WebGPU
    Webgpu,
}

/// A device and its name.
pub struct Chosen {
    pub device: Device,
    pub name: &'static str,
}

impl DeviceArg {
    /// Those that `auto` tries, best first.
    const GPUS: [Self; 3] = [Self::Cuda, Self::Vulkan, Self::Webgpu];

    /// The device, once it was seen to work.
    pub fn open(self) -> anyhow::Result<Chosen> {
        match self {
            Self::Cpu => Ok(Chosen { device: Device::flex(), name: "cpu" }),
            Self::Auto => {
                let mut built = Self::GPUS.into_iter().filter(|gpu| gpu.device().is_some());
                built.find_map(|gpu| gpu.open().ok()).map_or_else(|| Self::Cpu.open(), Ok)
            }
            gpu => {
                let name = gpu.name();
                let device = gpu.device().ok_or_else(|| {
                    anyhow::anyhow!(
                        "this quintet was built without {name}: build it with `cargo build \
                         --release -p quintet --features {name}`, or take --device cpu"
                    )
                })?;
                match works(&device) {
                    true => Ok(Chosen { device, name }),
                    false => anyhow::bail!("{name} does not start on this machine"),
                }
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Vulkan => "vulkan",
            Self::Webgpu => "webgpu",
        }
    }

    /// `None` when the build does not have it.
    fn device(self) -> Option<Device> {
        match self {
            #[cfg(feature = "cuda")]
            Self::Cuda => Some(Device::cuda(burn::DeviceIndex::Default)),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Some(Device::vulkan(burn::DeviceKind::DefaultDevice)),
            #[cfg(feature = "webgpu")]
            Self::Webgpu => Some(Device::webgpu(burn::DeviceKind::DefaultDevice)),
            Self::Cpu => Some(Device::flex()),
            _ => None,
        }
    }
}

/// Whether the device computes. Devices start with their first tensor, and a missing driver
/// shows as a panic there.
fn works(device: &Device) -> bool {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let sum = panic::catch_unwind(AssertUnwindSafe(|| {
        let ones = Tensor::<1>::ones([8], device);
        ones.sum().into_scalar::<f32>()
    }));
    panic::set_hook(hook);
    sum.is_ok_and(|sum| sum == 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_works() {
        let chosen = DeviceArg::Cpu.open().unwrap();
        assert!(works(&chosen.device));
    }
}
