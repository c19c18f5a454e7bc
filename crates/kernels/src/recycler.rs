//! An allocator that keeps large blocks for the next tensor of their size.
//!
//! A training step asks for the same sizes again and again. The system's allocator gives each large
//! block back when it is freed, and the kernel clears every page of the next one when it is first
//! touched; blocks kept here have their pages already. From 2 MiB on they lie on huge pages.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr::{self, NonNull},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Smaller blocks are the system allocator's.
const LARGE: usize = 1 << 18;

const PAGE: usize = 4096;

const HUGE_PAGE: usize = 1 << 21;

/// Sizes in each doubling: a block is at most an eighth larger than what was asked for.
const STEPS: usize = 8;

/// What blocks in use and kept together may be above the most that was in use at a time, in bytes:
/// a pass needs large blocks in one place and many small ones in another, and would otherwise give
/// the ones back to get the others.
const SLACK: usize = 64 << 20;

const CLASSES: usize = STEPS * (usize::BITS - LARGE.ilog2()) as usize;

/// For `#[global_allocator]`.
///
/// Blocks in use and blocks kept are together never more than the most that was in use at a time and
/// a little more, so that keeping blocks hardly raises a process's peak.
#[derive(Debug)]
pub struct Recycler {
    blocks: Mutex<Blocks>,
}

impl Recycler {
    /// Keeps nothing yet.
    pub const fn new() -> Self {
        Self { blocks: Mutex::new(Blocks { kept: [None; CLASSES], in_use: 0, idle: 0, peak: 0 }) }
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block for `layout`, and whether its bytes are zero.
    fn block(&self, layout: Layout) -> Option<(NonNull<u8>, bool)> {
        let class = Class::of(layout.size())?;
        let mut blocks = self.blocks();
        let found = match blocks.take(class) {
            Some(block) => (block, false),
            None => {
                blocks.make_room(class.size());
                (map(class.size())?, true)
            }
        };
        blocks.in_use += class.size();
        blocks.peak = blocks.peak.max(blocks.in_use);
        Some(found)
    }
}

/// Whether a block comes from here.
fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE
}

// SAFETY: small blocks are the system allocator's; a large one is a mapping of its own, at least as
// large as was asked for and aligned to pages, that is handed out again only after it was freed.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        self.block(layout).map_or(ptr::null_mut(), |(block, _)| block.as_ptr())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        }
        let Some((block, zero)) = self.block(layout) else { return ptr::null_mut() };
        if !zero {
            // SAFETY: the block has at least this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !is_large(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.dealloc(block, layout) };
        }
        if let (Some(block), Some(class)) = (NonNull::new(block), Class::of(layout.size())) {
            let mut blocks = self.blocks();
            blocks.in_use -= class.size();
            blocks.keep(block, class);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` makes a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(wanted)) {
            // SAFETY: the caller's promise.
            (false, false) => return unsafe { System.realloc(block, layout, size) },
            (true, true) if Class::of(layout.size()) == Class::of(size) => return block,
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

/// A size of blocks: [`STEPS`] of them in each doubling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class(usize);

impl Class {
    /// The smallest for blocks of `size` bytes.
    fn of(size: usize) -> Option<Self> {
        let last = size.max(LARGE) - 1;
        let doubling = last.ilog2();
        let step = last >> (doubling - STEPS.ilog2()); // STEPS <= step < 2 STEPS
        let index = STEPS * (doubling + 1 - LARGE.ilog2()) as usize + step - STEPS;
        (index < CLASSES).then_some(Self(index))
    }

    /// Bytes of its blocks.
    fn size(self) -> usize {
        let (doubling, step) = (self.0 / STEPS, self.0 % STEPS);
        (STEPS + step + 1) << (doubling + (LARGE / STEPS / 2).ilog2() as usize)
    }
}

/// What a kept block begins with: the next of its class.
type Next = Option<NonNull<u8>>;

#[derive(Debug)]
struct Blocks {
    /// The first kept block of each class.
    kept: [Next; CLASSES],
    /// Bytes of blocks in use.
    in_use: usize,
    /// Bytes of blocks kept.
    idle: usize,
    /// The most bytes that were in use at a time.
    peak: usize,
}

// SAFETY: kept blocks are nobody else's.
unsafe impl Send for Blocks {}

impl Blocks {
    fn take(&mut self, class: Class) -> Option<NonNull<u8>> {
        let block = self.kept[class.0]?;
        // SAFETY: a kept block begins with the next.
        self.kept[class.0] = unsafe { block.cast::<Next>().read() };
        self.idle -= class.size();
        Some(block)
    }

    fn keep(&mut self, block: NonNull<u8>, class: Class) {
        // SAFETY: the block is free, large enough and aligned.
        unsafe { block.cast::<Next>().write(self.kept[class.0]) };
        self.kept[class.0] = Some(block);
        self.idle += class.size();
    }

    /// Gives kept blocks back, the largest first, until there is room for one more of `size` bytes.
    fn make_room(&mut self, size: usize) {
        for class in (0..CLASSES).rev().map(Class) {
            while self.idle > 0 && self.in_use + self.idle + size > self.peak + SLACK {
                let Some(block) = self.take(class) else { break };
                // SAFETY: it was mapped with this size, and is no longer kept.
                unsafe { libc::munmap(block.as_ptr().cast(), class.size()) };
            }
        }
    }
}

/// New pages, all zero; `None` when the system has none.
fn map(size: usize) -> Option<NonNull<u8>> {
    let huge = size / HUGE_PAGE * HUGE_PAGE;
    // Enough to begin where a huge page does.
    let spare = if huge > 0 { HUGE_PAGE } else { 0 };
    let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping touches no other memory; only what lies before and behind the block is
    // unmapped again.
    unsafe {
        let start = libc::mmap(ptr::null_mut(), size + spare, rights, kind, -1, 0);
        if start == libc::MAP_FAILED {
            return None;
        }
        let before = if huge > 0 { start.cast::<u8>().align_offset(HUGE_PAGE) } else { 0 };
        let block = start.byte_add(before);
        if before > 0 {
            libc::munmap(start, before);
        }
        if spare > before {
            libc::munmap(block.byte_add(size), spare - before);
        }
        if huge > 0 {
            // Advice only: without huge pages the block is as good, and slower.
            libc::madvise(block, huge, libc::MADV_HUGEPAGE);
        }
        NonNull::new(block.cast())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 64).unwrap()
    }

    #[test]
    fn classes_hold_what_they_are_for_and_little_more() {
        for size in (LARGE..1 << 22).step_by(977).chain([LARGE, (1 << 30) + 1, 1 << 40]) {
            let class = Class::of(size).unwrap();
            assert!(class.size() >= size && class.size() <= size + size / 8, "{size}");
            assert_eq!(class.size() % PAGE, 0);
            assert_eq!(Class::of(class.size()), Some(class));
        }
        assert_eq!(Class::of(usize::MAX), Some(Class(CLASSES - 1)));
    }

    #[test]
    fn freed_blocks_are_used_again_and_zeroed_where_asked() {
        let recycler = Recycler::new();
        // SAFETY: each block is used within its size and freed once, with its layout.
        unsafe {
            let first = recycler.alloc(layout(3 << 20));
            first.write_bytes(7, 3 << 20);
            recycler.dealloc(first, layout(3 << 20));
            let again = recycler.alloc_zeroed(layout((3 << 20) - 5));
            assert_eq!(first, again);
            assert!(std::slice::from_raw_parts(again, (3 << 20) - 5).iter().all(|x| *x == 0));
            recycler.dealloc(again, layout((3 << 20) - 5));
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

    #[test]
    fn kept_blocks_hardly_raise_the_peak() {
        let recycler = Recycler::new();
        let held = || recycler.blocks().in_use + recycler.blocks().idle;
        // SAFETY: as above.
        unsafe {
            let layouts = [1, 2, 3].map(|n| layout(n * SLACK));
            let blocks = layouts.map(|layout| (recycler.alloc(layout), layout));
            blocks.map(|(block, layout)| recycler.dealloc(block, layout));
            assert_eq!(held(), 6 * SLACK);
            for size in [7, 4, 5].map(|n| n * SLACK) {
                let block = recycler.alloc(layout(size));
                assert!(held() <= 8 * SLACK, "{}", held());
                recycler.dealloc(block, layout(size));
            }
        }
    }
}
