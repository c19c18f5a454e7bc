//! The columns with text. A row's values are joined from many, so that neighbours are read together,
//! and kept for a while: training shuffles some thousand rows at a time.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use parquet::{
    file::reader::FileReader,
    record::reader::{ReaderIter, TreeBuilder},
    schema::types::{SchemaDescPtr, SchemaDescriptor, Type},
};
use serde_json::Value;

use super::{
    field::to_json,
    read::{SHORT, broken},
    recent::Recent,
};
use crate::formats::OpenOptions;

/// Rows that are read together, all of one group.
const RUN: usize = 512;
/// Most bytes of text that are kept, as the columns hold them, unless one run has more.
const KEPT: usize = 64 << 20;
/// Most readers that are kept.
const CURSORS: usize = 16;
/// Rows that the library decodes at once.
const BATCH: usize = 16;

/// The text of a row.
#[derive(Clone)]
pub(super) struct Text {
    /// Its id, if there is a column for that.
    pub id: Option<String>,
    /// Its conversation.
    pub turns: Value,
}

/// The columns with text of a file.
pub(super) struct Texts {
    schema: SchemaDescPtr,
    /// Names of the columns.
    id: String,
    turns: String,
    kept: Mutex<Kept>,
}

/// What may be wanted again.
struct Kept {
    /// By group and first row.
    runs: Recent<(usize, usize), Arc<Run>>,
    /// Those used last are first.
    cursors: VecDeque<Cursor>,
}

/// A reader of a group, and the row that it gives next.
struct Cursor {
    group: usize,
    next: usize,
    rows: ReaderIter,
}

/// Some rows of a group.
struct Run {
    texts: Vec<Text>,
    /// Why there are no more.
    end: String,
}

impl Texts {
    /// The columns of a schema.
    ///
    /// # Errors
    /// If there is none for conversations.
    pub fn new(schema: &Type, options: &OpenOptions) -> Result<Self, String> {
        let fields = schema.get_fields();
        let turns = options.turns.iter().find(|name| fields.iter().any(|f| f.name() == *name));
        let Some(turns) = turns else {
            let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
            return Err(format!(
                "no conversation column: expected one of {:?}, found {names:?}; name it in \
                 OpenOptions::turns",
                options.turns
            ));
        };
        let wanted = |name: &str| name == options.id || name == turns;
        let kept = fields.iter().filter(|field| wanted(field.name())).cloned().collect();
        let root = Type::group_type_builder(schema.name()).with_fields(kept).build();
        let root = root.map_err(|e| format!("schema: {e}"))?;
        Ok(Self {
            schema: Arc::new(SchemaDescriptor::new(Arc::new(root))),
            id: options.id.clone(),
            turns: turns.clone(),
            kept: Mutex::new(Kept { runs: Recent::new(KEPT), cursors: VecDeque::new() }),
        })
    }

    /// The text of a row of a group.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn get(&self, file: &dyn FileReader, group: usize, row: usize) -> Result<Text, String> {
        let first = row / RUN * RUN;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { runs, cursors } = &mut *kept;
        let run = runs.get((group, first), || {
            let run = self.read(file, cursors, (group, first))?;
            let bytes = self.bytes_per_row(file, group).saturating_mul(run.texts.len());
            Ok::<_, String>((Arc::new(run), bytes))
        })?;
        drop(kept);
        run.texts.get(row - first).cloned().ok_or_else(|| run.end.clone())
    }

    /// The run from a row on, by the reader that has least to skip.
    fn read(
        &self,
        file: &dyn FileReader,
        cursors: &mut VecDeque<Cursor>,
        (group, first): (usize, usize),
    ) -> Result<Run, String> {
        let able = |cursor: &(usize, &Cursor)| cursor.1.group == group && cursor.1.next <= first;
        let nearest = cursors.iter().enumerate().filter(able).max_by_key(|(_, of)| of.next);
        let nearest = nearest.map(|(at, _)| at);
        let mut cursor = match nearest.and_then(|at| cursors.remove(at)) {
            Some(cursor) => cursor,
            None => {
                let reader = file.get_row_group(group).map_err(broken)?;
                let rows = TreeBuilder::new().with_batch_size(BATCH);
                let rows = rows.as_iter(self.schema.clone(), &*reader).map_err(broken)?;
                Cursor { group, next: 0, rows }
            }
        };
        let mut run = Run { texts: Vec::new(), end: SHORT.into() };
        while cursor.next < first + RUN {
            match cursor.rows.next() {
                Some(Ok(row)) if cursor.next >= first => {
                    let column = |wanted: &str| {
                        let mut columns = row.get_column_iter();
                        columns.find(|(name, _)| *name == wanted).map(|(_, field)| to_json(field))
                    };
                    let id = match column(&self.id) {
                        Some(Value::String(id)) => Some(id),
                        Some(Value::Number(id)) => Some(id.to_string()),
                        _ => None,
                    };
                    run.texts.push(Text { id, turns: column(&self.turns).unwrap_or_default() });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    run.end = broken(error);
                    break;
                }
                None => break,
            }
            cursor.next += 1;
        }
        if cursor.next == first + RUN {
            cursors.truncate(CURSORS - 1);
            cursors.push_front(cursor);
        }
        Ok(run)
    }

    /// Bytes of these columns for a row of a group, on average.
    fn bytes_per_row(&self, file: &dyn FileReader, group: usize) -> usize {
        let group = file.metadata().row_group(group);
        let ours = |name: Option<&String>| name.is_some_and(|n| *n == self.id || *n == self.turns);
        let columns = group.columns().iter();
        let columns = columns.filter(|column| ours(column.column_path().parts().first()));
        let bytes = columns.map(|column| usize::try_from(column.uncompressed_size()).unwrap_or(0));
        bytes.fold(0, usize::saturating_add) / usize::try_from(group.num_rows()).unwrap_or(1).max(1)
    }
}
