//! Regions of built scenes.

use quintet_data::scene::{Object, Scene};

use super::{Found, Origin, Region};

impl From<&Object> for Region {
    fn from(object: &Object) -> Self {
        let name = Some(object.name().name.to_owned());
        Self { name, ..Self::new(object.mask.clone(), Origin::Scene) }
    }
}

impl From<&Scene> for Found {
    /// The objects, in the order they were laid down.
    fn from(scene: &Scene) -> Self {
        Self { regions: scene.objects.iter().map(Region::from).collect(), skipped: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use quintet_data::scene::{SceneSpec, SpriteSet, Style};

    use super::*;

    #[test]
    fn objects_are_regions() {
        let sprites = SpriteSet::bundled().unwrap();
        let scene = Scene::generate(&SceneSpec::train(&[Style::Noto]), &sprites, 1, 5);
        let found = Found::from(&scene);
        assert!(!scene.objects.is_empty() && found.regions.len() == scene.objects.len());
        for (region, object) in found.regions.iter().zip(&scene.objects) {
            assert_eq!(region.mask, object.mask);
            assert_eq!(region.name.as_deref(), Some(object.name().name));
        }
    }
}
