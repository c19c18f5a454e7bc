use image::RgbImage;
use quintet_data::Mask;
use quintet_som::{marks::*, regions::*};
use std::time::Instant;
fn main() {
    let image = image::open("/tmp/som/old-train/images/000003.png").unwrap().into_rgb8();
    let image = image::imageops::resize(&image, 640, 480, image::imageops::FilterType::Triangle);
    let mut state = 7u64;
    let mut below = |n: u32| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) as u32) % n
    };
    for count in [20usize, 60, 150] {
        let regions: Vec<Region> = (0..count)
            .map(|_| {
                let (cx, cy, rx, ry) = (
                    below(640) as f32,
                    below(480) as f32,
                    10.0 + below(130) as f32,
                    10.0 + below(110) as f32,
                );
                let m = Mask::collect([0, 0, 640, 480], |x, y| {
                    ((x as f32 - cx) / rx).powi(2)
                        + ((y as f32 - cy) / ry).powi(2)
                        + 0.2 * ((x as f32 * 0.2).sin())
                        <= 1.0
                })
                .unwrap();
                Region::new(m, Origin::Boxes)
            })
            .collect();
        let px: u32 = regions.iter().map(|r| r.mask.area()).sum();
        for (name, o) in [
            ("free", Options::default()),
            ("som", Options::som()),
            ("llava", Options::som_llava()),
            (
                "all",
                Options { draw: vec![Layer::Mask, Layer::Box, Layer::Mark], ..Options::default() },
            ),
        ] {
            let marker = Marker::new(o).unwrap();
            let mut best = f64::MAX;
            let mut out = None;
            for _ in 0..15 {
                let t = Instant::now();
                out = Some(marker.mark(&image, &regions).unwrap());
                best = best.min(t.elapsed().as_secs_f64());
            }
            let out = out.unwrap();
            println!(
                "{count} masks, {px} px, {name}: {:.2} ms, size {}",
                best * 1e3,
                out.marks.size
            );
            out.image.save(format!("/tmp/som/{name}-{count}.png")).unwrap();
        }
        let t = Instant::now();
        for r in &regions {
            std::hint::black_box(inmost(&r.mask));
        }
        println!("  inmost {:.2} ms", t.elapsed().as_secs_f64() * 1e3);
    }
    let _ = RgbImage::new(1, 1);
}
