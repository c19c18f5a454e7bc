//! Lists whose errors say which entry is wrong.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::{Annotation, Category, CocoImage};

struct Numbered<T> {
    list: &'static str,
    kind: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Numbered<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "the list {:?}", self.list)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut out = Vec::new();
        loop {
            match entries.next_element() {
                Ok(Some(entry)) => out.push(entry),
                Ok(None) => return Ok(out),
                Err(e) => {
                    return Err(A::Error::custom(format!(
                        "{:?}, entry {}: {e}",
                        self.list,
                        out.len()
                    )));
                }
            }
        }
    }
}

fn read<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    list: &'static str,
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Numbered { list, kind: PhantomData })
}

pub(super) fn images<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<CocoImage>, D::Error> {
    read("images", d)
}

pub(super) fn annotations<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Annotation>, D::Error> {
    read("annotations", d)
}

pub(super) fn categories<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Category>, D::Error> {
    read("categories", d)
}
