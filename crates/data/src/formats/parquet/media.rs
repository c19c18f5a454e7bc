//! The columns with media. They hold most of a file, so that rows in between are passed over unread.

use std::{path::Path, sync::Arc};

use parquet::{
    basic::{ConvertedType, LogicalType, Type as PhysicalType},
    data_type::ByteArray,
    file::metadata::{ParquetMetaData, RowGroupMetaData},
    schema::types::{ColumnDescriptor, SchemaDescriptor},
};

use super::{
    pages::{KEPT, Pages},
    read::{SHORT, broken},
};
use crate::{formats::BLOCK, sample::Media};

/// The columns with media of a file: structs of `bytes` and `path`, bytes, paths, or lists of these.
pub(super) struct MediaColumns {
    /// How many.
    count: usize,
    leaves: Vec<Leaf>,
}

/// Values as a file holds them.
struct Leaf {
    /// Number among the leaves of the schema.
    number: usize,
    /// The definition level of a value that is there (Dremel, Melnik et al. 2010).
    defined: i16,
    /// Number of the column that it is of.
    column: usize,
    holds: Holds,
}

#[derive(Clone, Copy)]
enum Holds {
    Bytes,
    Path,
}

/// The values of a row, one for each of its media.
type Found = Vec<Option<ByteArray>>;

impl MediaColumns {
    /// Those of the named columns that are there.
    ///
    /// # Errors
    /// If one holds something else.
    pub fn new(schema: &SchemaDescriptor, names: &[String]) -> Result<Self, String> {
        // Nobody wrote a value, so that nobody knew a type.
        let is_empty = |leaf: &ColumnDescriptor| {
            leaf.logical_type_ref().is_some_and(|kind| *kind == LogicalType::Unknown)
        };
        let mut leaves = Vec::new();
        for (column, name) in names.iter().enumerate() {
            let all = schema.columns().iter().enumerate();
            let own: Vec<_> =
                all.filter(|(_, leaf)| leaf.path().parts().first() == Some(name)).collect();
            let before = leaves.len();
            for (number, leaf) in &own {
                if let Some(holds) = holds(leaf, own.len() == 1) {
                    let defined = leaf.max_def_level();
                    leaves.push(Leaf { number: *number, defined, column, holds });
                }
            }
            if leaves.len() == before && !own.iter().all(|(_, leaf)| is_empty(leaf)) {
                return Err(format!(
                    "column {name:?}: expected a struct of bytes and path, bytes, a path, or a list"
                ));
            }
        }
        Ok(Self { count: names.len(), leaves })
    }

    /// The media of a row of a group; relative paths start at `root`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn get(
        &self,
        pages: &Arc<Pages>,
        (group, row): (usize, usize),
        root: &Path,
    ) -> Result<Vec<Media>, String> {
        let mut found: Vec<[Found; 2]> = vec![Default::default(); self.count];
        for leaf in &self.leaves {
            let values = leaf.values(pages, group, row)?;
            if let Some(column) = found.get_mut(leaf.column) {
                column[leaf.holds as usize] = values;
            }
        }
        let mut media = Vec::new();
        for [bytes, paths] in found {
            for i in 0..bytes.len().max(paths.len()) {
                let of = |found: &Found| found.get(i).cloned().flatten();
                match (of(&bytes), of(&paths)) {
                    (Some(bytes), _) => media.push(Media::Bytes(Arc::from(bytes.data()))),
                    (None, Some(path)) => {
                        media.push(Media::File(root.join(path.as_utf8().map_err(broken)?)));
                    }
                    (None, None) => {}
                }
            }
        }
        Ok(media)
    }

    /// See [`Dataset::block`](crate::formats::Dataset::block): as many whole groups as have room among
    /// the pages that are kept.
    pub fn block(&self, file: &ParquetMetaData) -> usize {
        let groups = file.row_groups();
        let bytes = |group: &RowGroupMetaData| -> usize {
            let chunks = self.leaves.iter().filter_map(|leaf| group.columns().get(leaf.number));
            let sizes = chunks.map(|chunk| usize::try_from(chunk.uncompressed_size()).unwrap_or(0));
            sizes.fold(0, usize::saturating_add)
        };
        let rows = |group: &RowGroupMetaData| usize::try_from(group.num_rows()).unwrap_or(0);
        let most_bytes = groups.iter().map(bytes).max().unwrap_or(0);
        let most_rows = groups.iter().map(rows).max().unwrap_or(0).max(1);
        let at_hand = (KEPT / most_bytes.max(1)).clamp(1, (BLOCK / most_rows).max(1));
        (at_hand * most_rows).min(BLOCK)
    }
}

/// What a leaf of a column of media holds, if that is of use.
fn holds(leaf: &ColumnDescriptor, only_one: bool) -> Option<Holds> {
    if leaf.physical_type() != PhysicalType::BYTE_ARRAY {
        return None;
    }
    let is_text = leaf.logical_type_ref().is_some_and(|kind| *kind == LogicalType::String)
        || leaf.converted_type() == ConvertedType::UTF8;
    match leaf.name() {
        "bytes" => Some(Holds::Bytes),
        "path" => Some(Holds::Path),
        _ if only_one && is_text => Some(Holds::Path),
        _ if only_one => Some(Holds::Bytes),
        _ => None,
    }
}

impl Leaf {
    /// The values of a row of a group.
    fn values(&self, pages: &Arc<Pages>, group: usize, row: usize) -> Result<Found, String> {
        let mut column = pages.values((group, self.number)).map_err(broken)?;
        let passed = column.skip_records(row).map_err(broken)?;
        let (mut levels, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let read = column.read_records(1, Some(&mut levels), Some(&mut repetitions), &mut values);
        let (records, _, _) = read.map_err(broken)?;
        if passed < row || records == 0 {
            return Err(SHORT.into());
        }
        if self.defined == 0 {
            return Ok(values.into_iter().map(Some).collect());
        }
        let mut values = values.into_iter();
        let value = |level: &i16| if *level == self.defined { values.next() } else { None };
        Ok(levels.iter().map(value).collect())
    }
}
