//! Pages of a file, the last of which are kept: some writers put a thousand pictures into one, which
//! has to be decompressed for any of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use parquet::{
    column::{
        page::{Page, PageMetadata, PageReader},
        reader::ColumnReaderImpl,
    },
    data_type::ByteArrayType,
    errors::{ParquetError, Result},
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
};

use super::{file::Shared, recent::Recent};

/// Most bytes of pages that are kept, unless one has more.
pub(super) const KEPT: usize = 256 << 20;

/// A file, and pages of it.
pub(super) struct Pages {
    pub file: SerializedFileReader<Shared>,
    kept: Mutex<Kept>,
}

/// A leaf of the schema in a row group.
type Chunk = (usize, usize);

struct Kept {
    outlines: HashMap<Chunk, Arc<[PageMetadata]>>,
    /// By chunk and number.
    pages: Recent<(Chunk, usize), Page>,
}

impl Pages {
    pub fn new(file: SerializedFileReader<Shared>) -> Self {
        let kept = Kept { outlines: HashMap::new(), pages: Recent::new(KEPT) };
        Self { file, kept: Mutex::new(kept) }
    }

    /// The values of a leaf of byte arrays in a row group, from its first row on.
    pub fn values(self: &Arc<Self>, chunk: Chunk) -> Result<ColumnReaderImpl<ByteArrayType>> {
        let leaf = self.file.metadata().file_metadata().schema_descr().column(chunk.1);
        let outline = self.outline(chunk)?;
        let pages = OfChunk { pages: self.clone(), chunk, outline, next: 0 };
        Ok(ColumnReaderImpl::new(leaf, Box::new(pages)))
    }

    /// What is known of each page without reading it.
    fn outline(&self, chunk: Chunk) -> Result<Arc<[PageMetadata]>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outline) = kept.outlines.get(&chunk) {
            return Ok(outline.clone());
        }
        let mut reader = self.open(chunk)?;
        let mut outline = Vec::new();
        while let Some(page) = reader.peek_next_page()? {
            reader.skip_next_page()?;
            outline.push(page);
        }
        let outline: Arc<[PageMetadata]> = outline.into();
        kept.outlines.insert(chunk, outline.clone());
        Ok(outline)
    }

    /// A page, by one thread at a time: as few as may be are in memory.
    fn page(&self, chunk: Chunk, number: usize) -> Result<Page> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pages.get((chunk, number), || {
            let mut reader = self.open(chunk)?;
            for _ in 0..number {
                reader.skip_next_page()?;
            }
            let gone = || ParquetError::General("a page is gone".into());
            let page = reader.get_next_page()?.ok_or_else(gone)?;
            let bytes = page.buffer().len();
            Ok((page, bytes))
        })
    }

    fn open(&self, (group, leaf): Chunk) -> Result<Box<dyn PageReader>> {
        self.file.get_row_group(group)?.get_column_page_reader(leaf)
    }
}

/// The pages of a chunk in order.
struct OfChunk {
    pages: Arc<Pages>,
    chunk: Chunk,
    outline: Arc<[PageMetadata]>,
    next: usize,
}

impl PageReader for OfChunk {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        if self.next >= self.outline.len() {
            return Ok(None);
        }
        self.next += 1;
        self.pages.page(self.chunk, self.next - 1).map(Some)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Ok(self.outline.get(self.next).cloned())
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.next += 1;
        Ok(())
    }
}

impl Iterator for OfChunk {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
