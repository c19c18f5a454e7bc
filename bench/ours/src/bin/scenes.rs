//! Scenes of 160 pixels with their questions, as training reads them: `scenes bundled|full COUNT`,
//! of the drawings inside the program or of all styles. Reports how many objects they have.

use std::sync::Arc;

use quintet_data::scene::{SceneDataset, SceneSpec, SpriteSet, Style, tasks::Phrasing};
use rayon::prelude::*;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, which, count] = args.as_slice() else {
        anyhow::bail!("usage: scenes bundled|full COUNT");
    };
    let full = [Style::Noto, Style::NotoV1, Style::Fluent, Style::Openmoji];
    let (styles, sprites) = match which.as_str() {
        "bundled" => (&full[..2], SpriteSet::bundled()?),
        "full" => (&full[..], SpriteSet::load(&full)?),
        other => anyhow::bail!("{other} is neither bundled nor full"),
    };
    let count = count.parse()?;
    let spec = SceneSpec::train(styles);
    let scenes = SceneDataset::new(spec, Arc::new(sprites), Phrasing::Varied, 1, count);
    quintet_bench::serve(|| {
        let objects = (0..count).into_par_iter().map(|i| scenes.scene(i).0.objects.len());
        Ok(vec![objects.sum::<usize>() as f64])
    })
}
