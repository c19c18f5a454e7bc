//! An allocator that keeps the pages of large blocks for the next ones.
//!
//! A training step asks for the same memory again and again. The system's allocator gives each large
//! block back when it is freed, and the kernel clears every page of the next one when it is first
//! touched. Here all large blocks lie in one range of addresses, on huge pages; freed ones join
//! their free neighbours and keep their pages.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Smaller blocks are the system allocator's.
const LARGE: usize = 1 << 18;

const PAGE: usize = 1 << 12;

const HUGE_PAGE: usize = 1 << 21;

/// Addresses that are reserved: not memory, but more than there will be.
const RESERVED: usize = 1 << 42;

/// What blocks in use and pages kept may be together above the most that was in use at a time, in
/// bytes. Where a free block is too small for what is asked for, there is less to give back.
const SLACK: usize = 32 << 20;

/// For `#[global_allocator]`.
///
/// Blocks in use and pages kept are together never more than the most that was in use at a time and
/// a little more, so that keeping pages hardly raises a process's peak.
#[derive(Debug)]
pub struct Recycler {
    /// Of blocks below [`HUGE_PAGE`], and of others: a small one that lives long in the middle of a
    /// large range would spoil it.
    arenas: [Mutex<Arena>; 2],
}

impl Recycler {
    /// Keeps nothing yet.
    pub const fn new() -> Self {
        Self { arenas: [Mutex::new(Arena::new()), Mutex::new(Arena::new())] }
    }

    /// The maps of the arena have nodes smaller than [`LARGE`]: what they allocate while it is
    /// locked is the system allocator's.
    fn arena(&self, size: usize) -> MutexGuard<'_, Arena> {
        let arena = &self.arenas[usize::from(size >= HUGE_PAGE)];
        arena.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recycler {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of a block that lies in the arena; `None` where it is the system allocator's.
fn large(layout: Layout) -> Option<usize> {
    let size = layout.size();
    (size >= LARGE && layout.align() <= PAGE).then(|| size.next_multiple_of(PAGE))
}

// SAFETY: what is not the system allocator's is a range of addresses of the arena, whole pages that
// can be read and written, and in use only once until it is freed.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match large(layout).map(|size| self.arena(size).take(size)) {
            Some(Some(block)) => ptr::with_exposed_provenance_mut(block.address),
            // SAFETY: the caller's promise.
            _ => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match large(layout).map(|size| self.arena(size).take(size)) {
            Some(Some(block)) => {
                let first: *mut u8 = ptr::with_exposed_provenance_mut(block.address);
                if block.has_pages {
                    // SAFETY: the block is at least as large.
                    unsafe { first.write_bytes(0, layout.size()) };
                }
                first
            }
            // SAFETY: the caller's promise.
            _ => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if large(layout).is_some_and(|size| self.arena(size).give_back(block.addr(), size)) {
            return;
        }
        // SAFETY: the caller's promise; the block is not one of ours.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` makes a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (large(layout), large(wanted)) {
            // SAFETY: the caller's promise.
            (None, None) => return unsafe { System.realloc(block, layout, size) },
            (old, new) if old == new => return block,
            _ => {}
        }
        // SAFETY: both blocks have at least the bytes that are copied, and the old one is the
        // caller's to free.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// A range of addresses that is not in use.
#[derive(Clone, Copy, Debug)]
struct Free {
    address: usize,
    size: usize,
    /// Whether its pages may be there, with what was last written; otherwise it reads as zeros.
    has_pages: bool,
}

#[derive(Debug)]
struct Arena {
    /// All addresses; reserved when first needed.
    addresses: Option<Range<usize>>,
    /// By address. No two neighbours are alike in having pages.
    free: BTreeMap<usize, Free>,
    /// The same: whether it has pages, size, address.
    fits: BTreeSet<(bool, usize, usize)>,
    /// Bytes of blocks in use.
    in_use: usize,
    /// Bytes of free ranges with pages.
    kept: usize,
    /// The most bytes that were in use at a time.
    peak: usize,
}

impl Arena {
    const fn new() -> Self {
        Self {
            addresses: None,
            free: BTreeMap::new(),
            fits: BTreeSet::new(),
            in_use: 0,
            kept: 0,
            peak: 0,
        }
    }

    /// The smallest free range that `size` bytes fit in, one with pages if there is any; `None`
    /// when the system has no addresses for us.
    fn take(&mut self, size: usize) -> Option<Free> {
        self.reserve()?;
        let with_pages = self.fits.range((true, size, 0)..).next();
        let (.., address) = match with_pages {
            Some(found) => *found,
            None => {
                self.make_room(size);
                *self.fits.range((false, size, 0)..(true, 0, 0)).next()?
            }
        };
        let found = self.remove(address)?;
        if found.size > size {
            self.insert(Free { address: address + size, size: found.size - size, ..found });
        }
        self.in_use += size;
        self.peak = self.peak.max(self.in_use);
        Some(Free { size, ..found })
    }

    /// Frees a block; `false` when it is not of this arena.
    fn give_back(&mut self, address: usize, size: usize) -> bool {
        let ours = self.addresses.as_ref().is_some_and(|all| all.contains(&address));
        if ours {
            self.in_use -= size;
            self.join(Free { address, size, has_pages: true });
        }
        ours
    }

    /// Gives pages back, of the largest ranges first, until there is room for `size` bytes more.
    fn make_room(&mut self, size: usize) {
        loop {
            let excess = (self.in_use + self.kept + size).saturating_sub(self.peak + SLACK);
            let Some(&(true, largest, address)) = self.fits.last() else { return };
            // Whole huge pages, at the end of the range.
            let end = (address + largest) / HUGE_PAGE * HUGE_PAGE;
            let start = address.next_multiple_of(HUGE_PAGE);
            if excess == 0 || start >= end {
                return;
            }
            let start = start.max(end.saturating_sub(excess.next_multiple_of(HUGE_PAGE)));
            self.remove(address);
            // SAFETY: the pages are free.
            unsafe {
                let pages = ptr::with_exposed_provenance_mut(start);
                libc::madvise(pages, end - start, libc::MADV_DONTNEED);
            }
            for (range, has_pages) in
                [(address..start, true), (end..address + largest, true), (start..end, false)]
            {
                if !range.is_empty() {
                    self.join(Free { address: range.start, size: range.len(), has_pages });
                }
            }
        }
    }

    /// Adds a free range and joins it with its neighbours.
    fn join(&mut self, mut new: Free) {
        let alike = |other: &Free| other.has_pages == new.has_pages;
        let before = self.free.range(..new.address).next_back().map(|(_, free)| *free);
        let before = before.filter(|b| alike(b) && b.address + b.size == new.address);
        let after = self.free.get(&(new.address + new.size)).copied().filter(alike);
        for neighbour in [before, after].into_iter().flatten() {
            self.remove(neighbour.address);
            new.address = new.address.min(neighbour.address);
            new.size += neighbour.size;
        }
        self.insert(new);
    }

    fn insert(&mut self, free: Free) {
        self.free.insert(free.address, free);
        self.fits.insert((free.has_pages, free.size, free.address));
        self.kept += if free.has_pages { free.size } else { 0 };
    }

    fn remove(&mut self, address: usize) -> Option<Free> {
        let free = self.free.remove(&address)?;
        self.fits.remove(&(free.has_pages, free.size, free.address));
        self.kept -= if free.has_pages { free.size } else { 0 };
        Some(free)
    }

    fn reserve(&mut self) -> Option<()> {
        if self.addresses.is_none() {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: a new mapping touches no other memory.
            let all = unsafe { libc::mmap(ptr::null_mut(), RESERVED, rights, kind, -1, 0) };
            let start = match all {
                libc::MAP_FAILED => 0,
                all => all.expose_provenance(),
            };
            self.addresses = Some(start..start + if start > 0 { RESERVED } else { 0 });
            if start > 0 {
                // Advice only: without huge pages all is as good, and slower.
                // SAFETY: the range was just mapped.
                unsafe { libc::madvise(all, RESERVED, libc::MADV_HUGEPAGE) };
                self.insert(Free { address: start, size: RESERVED, has_pages: false });
            }
        }
        self.addresses.as_ref().filter(|all| !all.is_empty()).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 64).unwrap()
    }

    #[test]
    fn freed_pages_are_used_again_and_zeroed_where_asked() {
        let recycler = Recycler::new();
        // SAFETY: each block is used within its size and freed once, with its layout.
        unsafe {
            let [first, second] = [3 << 20, 2 << 20].map(|size| {
                let block = recycler.alloc(layout(size));
                block.write_bytes(7, size);
                block
            });
            recycler.dealloc(first, layout(3 << 20));
            recycler.dealloc(second, layout(2 << 20));
            // Both at once, since they are neighbours.
            let both = recycler.alloc_zeroed(layout((5 << 20) - 5));
            assert_eq!(both, first);
            assert!(std::slice::from_raw_parts(both, (5 << 20) - 5).iter().all(|x| *x == 0));
            recycler.dealloc(both, layout((5 << 20) - 5));
        }
    }

    #[test]
    fn growing_keeps_the_bytes() {
        let recycler = Recycler::new();
        // SAFETY: as above.
        unsafe {
            let mut size = 1000;
            let mut block = recycler.alloc(layout(size));
            block.write_bytes(9, size);
            for wanted in [LARGE, LARGE + 1, 5 << 20, LARGE, 500] {
                block = recycler.realloc(block, layout(size), wanted);
                size = wanted;
                assert!(std::slice::from_raw_parts(block, 500).iter().all(|x| *x == 9));
            }
            recycler.dealloc(block, layout(size));
        }
    }

    /// Takes and frees at random; blocks never overlap, and nothing is lost.
    #[test]
    fn ranges_are_conserved() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut arena = Arena::new();
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for _ in 0..3000 {
            if blocks.is_empty() || rng.random_bool(0.52) {
                let size = PAGE * rng.random_range(64..20_000);
                let address = arena.take(size).unwrap().address;
                let apart = |&(a, s): &(usize, usize)| a + s <= address || address + size <= a;
                assert!(blocks.iter().all(apart));
                blocks.push((address, size));
            } else {
                let (address, size) = blocks.swap_remove(rng.random_range(0..blocks.len()));
                assert!(arena.give_back(address, size));
            }
            assert_eq!(arena.in_use, blocks.iter().map(|(_, size)| size).sum::<usize>());
            let free = arena.free.values();
            assert_eq!(arena.in_use + free.clone().map(|f| f.size).sum::<usize>(), RESERVED);
            assert_eq!(arena.kept, free.filter(|f| f.has_pages).map(|f| f.size).sum::<usize>());
            let edges = arena.free.len() * 2 * HUGE_PAGE;
            assert!(arena.in_use + arena.kept <= arena.peak + SLACK + edges);
            assert_eq!(arena.free.len(), arena.fits.len());
        }
    }

    #[test]
    fn kept_pages_hardly_raise_the_peak() {
        let mut arena = Arena::new();
        let sizes = [1, 2, 3].map(|n| n * SLACK);
        let blocks = sizes.map(|size| (arena.take(size).unwrap().address, size));
        for (address, size) in blocks {
            assert!(arena.give_back(address, size));
        }
        assert_eq!([arena.in_use, arena.kept], [0, 6 * SLACK]);
        arena.take(8 * SLACK).unwrap();
        assert_eq!(arena.in_use, 8 * SLACK);
        assert!(arena.kept < 2 * HUGE_PAGE);
    }
}
