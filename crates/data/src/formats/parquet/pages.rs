//! Pages of a file, the last of which are kept: some writers put a thousand pictures into one, which
//! has to be decompressed for any of them.

use std::{
    collections::{HashMap, VecDeque},
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

use super::file::Shared;

/// Most bytes of pages that are kept, unless one has more.
pub(super) const KEPT: usize = 256 << 20;
/// What a page counts at least, so that there are not too many to look through.
const LEAST: usize = 64 << 10;

/// A file, and pages of it.
pub(super) struct Pages {
    pub file: SerializedFileReader<Shared>,
    kept: Mutex<Kept>,
}

/// A leaf of the schema in a row group.
type Chunk = (usize, usize);

#[derive(Default)]
struct Kept {
    outlines: HashMap<Chunk, Arc<[PageMetadata]>>,
    /// Chunk and number of each page; those used last are last.
    pages: VecDeque<(Chunk, usize, Page)>,
}

impl Pages {
    pub fn new(file: SerializedFileReader<Shared>) -> Self {
        Self { file, kept: Mutex::default() }
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
        let found = kept.pages.iter().position(|page| (page.0, page.1) == (chunk, number));
        let page = match found.and_then(|at| kept.pages.remove(at)) {
            Some((_, _, page)) => page,
            None => {
                let mut reader = self.open(chunk)?;
                for _ in 0..number {
                    reader.skip_next_page()?;
                }
                let gone = || ParquetError::General("a page is gone".into());
                reader.get_next_page()?.ok_or_else(gone)?
            }
        };
        kept.pages.push_back((chunk, number, page.clone()));
        let bytes = |kept: &Kept| {
            kept.pages.iter().map(|page| page.2.buffer().len().max(LEAST)).sum::<usize>()
        };
        while kept.pages.len() > 1 && bytes(&kept) > KEPT {
            kept.pages.pop_front();
        }
        Ok(page)
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
