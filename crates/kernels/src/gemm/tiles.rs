//! Products with operands in `bf16`, by the tile unit of x86 processors (AMX).

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::SMALL;
use super::{Finish, Matrix, Target};

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod unit {
    use super::{Finish, Matrix, Target};

    pub(crate) fn available() -> bool {
        false
    }

    pub(in super::super) fn multiply(
        _: Matrix<'_>,
        _: Matrix<'_>,
        _: Target<'_>,
        _: Finish<'_>,
        _: bool,
    ) {
        unreachable!("callers ask whether the tile unit is there");
    }

    pub(crate) struct Left;

    impl Left {
        pub fn new(_: Matrix<'_>) -> Self {
            unreachable!("callers ask whether the tile unit is there");
        }

        pub fn multiply(&self, _: Matrix<'_>, _: Target<'_>) {
            unreachable!("callers ask whether the tile unit is there");
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit {
    use std::{
        arch::asm, arch::x86_64::*, cell::Cell, mem::MaybeUninit, ops::Range, sync::LazyLock,
    };

    use rayon::prelude::*;

    use super::{
        super::{
            Rows,
            pack::{self, DEPTH, SIDE, Tile},
        },
        Finish, Matrix, SMALL, Target,
    };

    /// Rows of the result that are computed at a time: their packed operand stays in the cache.
    const ROWS: usize = 128;
    /// Inner elements that are packed at a time.
    const INNER: usize = 2048;
    /// Groups of 16 columns that a thread packs at a time.
    const PANELS: usize = 8;

    /// Whether processor and kernel let this process multiply `bf16` tiles.
    pub(crate) fn available() -> bool {
        static AVAILABLE: LazyLock<bool> = LazyLock::new(detect);
        *AVAILABLE
    }

    fn detect() -> bool {
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        // Leaf 7, EDX: bit 22 is AMX-BF16, bit 24 is AMX-TILE.
        let tiles = __cpuid(0).eax >= 7 && {
            let edx = __cpuid_count(7, 0).edx;
            edx & (1 << 22) != 0 && edx & (1 << 24) != 0
        };
        // Tile registers are large: Linux gives them only to processes that ask (arch_prctl(2)).
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_long = 18;
        // SAFETY: this call only takes numbers and changes nothing but the permission.
        vectors
            && tiles
            && unsafe {
                libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
            } == 0
    }

    /// Eight tiles of 16 rows of 64 bytes (palette 1).
    #[repr(C, align(64))]
    struct Config([u8; 64]);

    static CONFIG: Config = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = 16;
            tile += 1;
        }
        Config(bytes)
    };

    thread_local! {
        static LEFT: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
        static RIGHT: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
    }

    /// Lends a thread's buffer of at least `count` tiles.
    fn with_tiles<T>(
        buffer: &'static std::thread::LocalKey<Cell<Vec<Tile>>>,
        count: usize,
        f: impl FnOnce(&mut [Tile]) -> T,
    ) -> T {
        // Taken, not borrowed: a task that waits may run another that needs a buffer too.
        let mut tiles = buffer.take();
        if tiles.len() < count {
            tiles.resize(count, Tile::ZERO);
        }
        let result = f(&mut tiles[..count]);
        buffer.set(tiles);
        result
    }

    pub(in super::super) fn multiply(
        a: Matrix<'_>,
        b: Matrix<'_>,
        c: Target<'_>,
        finish: Finish<'_>,
        parallel: bool,
    ) {
        assert!(available(), "callers ask whether the tile unit is there");
        let (m, n, k) = (a.rows, b.columns, a.columns);
        let parallel = parallel && m * n * k >= SMALL;
        let c = Rows(c.first, c.stride);
        // Pairs of tiles, the second of which may be empty.
        let columns = n.div_ceil(2 * SIDE);
        for inner in parts(k) {
            let depth = inner.len().div_ceil(DEPTH);
            let finish = Finish {
                bias: finish.bias.filter(|_| inner.end == k),
                accumulate: finish.accumulate || inner.start > 0,
                ..finish
            };
            with_tiles(&RIGHT, 2 * columns * depth, |right| {
                let pack = |(i, tiles): (usize, &mut [Tile])| {
                    // SAFETY: `available` detected the vector instructions.
                    unsafe { pack::right(&b, i * PANELS * SIDE, inner.clone(), tiles) };
                };
                if parallel {
                    right.par_chunks_mut(PANELS * depth).enumerate().for_each(pack);
                } else {
                    right.chunks_mut(PANELS * depth).enumerate().for_each(pack);
                }
                let right = &*right;
                let rows = |first: usize| {
                    let rows = first..(first + ROWS).min(m);
                    block(&a, rows, inner.clone(), right, n, c, finish);
                };
                if parallel {
                    (0..m.div_ceil(ROWS)).into_par_iter().for_each(|i| rows(i * ROWS));
                } else {
                    (0..m).step_by(ROWS).for_each(rows);
                }
            });
        }
    }

    /// The result's rows `rows`, from a packed right factor of `n` columns.
    fn block(
        a: &Matrix<'_>,
        rows: Range<usize>,
        inner: Range<usize>,
        right: &[Tile],
        n: usize,
        c: Rows,
        finish: Finish<'_>,
    ) {
        let depth = inner.len().div_ceil(DEPTH);
        let pairs = rows.len().div_ceil(2 * SIDE);
        with_tiles(&LEFT, 2 * pairs * depth, |left| {
            // SAFETY: `available` detected the vector instructions.
            unsafe { pack::left(a, rows.start, inner.clone(), left) };
            products(left, right, depth, rows, n, c, finish);
        });
    }

    /// The result's rows `rows` from packed factors with `depth` tiles in a row.
    fn products(
        left: &[Tile],
        right: &[Tile],
        depth: usize,
        rows: Range<usize>,
        n: usize,
        c: Rows,
        finish: Finish<'_>,
    ) {
        // SAFETY: `available` says that tiles can be used; the configuration is valid.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &CONFIG, options(nostack, readonly)) };
        for (j, right) in right.chunks(2 * depth).enumerate() {
            for (i, left) in left.chunks(2 * depth).enumerate() {
                let (row, column) = (rows.start + i * 2 * SIDE, j * 2 * SIDE);
                let size = [2 * SIDE, 2 * SIDE];
                let size = [size[0].min(rows.end - row), size[1].min(n - column)];
                let bias = finish.bias.and_then(|bias| bias.get(column..));
                let finish = Finish { bias, ..finish };
                let mut sums = MaybeUninit::<Sums>::uninit();
                // SAFETY: tiles are configured; both factors have two rows of `depth` tiles.
                // The caller's `c` has these rows and columns, and no one else writes them.
                unsafe {
                    dot(left, right, depth, &mut sums);
                    store(sums.assume_init_ref(), c.at(row, column), c.1, size, finish);
                }
            }
        }
        // SAFETY: gives the tile registers back, which makes switching threads cheap again.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }

    /// A left factor, packed once for products with several right ones.
    pub(crate) struct Left {
        /// For each part of the inner dimension, pairs of 16 rows of tiles.
        tiles: Vec<Tile>,
        rows: usize,
        columns: usize,
    }

    impl Left {
        /// Packs on all threads.
        pub fn new(a: Matrix<'_>) -> Self {
            assert!(available(), "callers ask whether the tile unit is there");
            let pairs = a.rows.div_ceil(2 * SIDE);
            let mut tiles = vec![Tile::ZERO; 2 * pairs * a.columns.div_ceil(DEPTH)];
            let mut rest = tiles.as_mut_slice();
            for inner in parts(a.columns) {
                let depth = inner.len().div_ceil(DEPTH);
                let (part, after) = rest.split_at_mut(2 * pairs * depth);
                rest = after;
                part.par_chunks_mut(2 * depth).enumerate().for_each(|(i, tiles)| {
                    // SAFETY: `available` detected the vector instructions.
                    unsafe { pack::left(&a, i * 2 * SIDE, inner.clone(), tiles) };
                });
            }
            Self { tiles, rows: a.rows, columns: a.columns }
        }

        /// `C = A B`, on this thread.
        ///
        /// # Panics
        /// If the shapes do not fit.
        pub fn multiply(&self, b: Matrix<'_>, c: Target<'_>) {
            assert_eq!(self.columns, b.rows, "the inner dimensions differ");
            assert_eq!([self.rows, b.columns], [c.rows, c.columns], "the result's shape differs");
            let (pairs, columns) = (self.rows.div_ceil(2 * SIDE), b.columns.div_ceil(2 * SIDE));
            let target = Rows(c.first, c.stride);
            let mut rest = self.tiles.as_slice();
            for inner in parts(self.columns) {
                let depth = inner.len().div_ceil(DEPTH);
                let (left, after) = rest.split_at(2 * pairs * depth);
                rest = after;
                let finish = Finish { accumulate: inner.start > 0, ..Finish::default() };
                with_tiles(&RIGHT, 2 * columns * depth, |right| {
                    // SAFETY: `available` detected the vector instructions.
                    unsafe { pack::right(&b, 0, inner, right) };
                    products(left, right, depth, 0..self.rows, b.columns, target, finish);
                });
            }
        }
    }

    /// The inner dimension in parts that are packed at a time.
    fn parts(k: usize) -> impl Iterator<Item = Range<usize>> {
        (0..k).step_by(INNER).map(move |start| start..(start + INNER).min(k))
    }

    /// 32 rows of 32 sums.
    #[repr(C, align(64))]
    struct Sums([f32; 1024]);

    /// Two by two tiles of the result from two rows of `depth` tiles of each factor.
    unsafe fn dot(left: &[Tile], right: &[Tile], depth: usize, sums: &mut MaybeUninit<Sums>) {
        debug_assert!(depth > 0 && left.len() == 2 * depth && right.len() == 2 * depth);
        let next = depth * size_of::<Tile>();
        // SAFETY: the loop reads `depth` tiles at each of four places that have as many, and
        // writes the four quarters of `sums`, whose rows are 128 bytes long.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{a} + {row}]",
                "tileloadd tmm6, [{b} + {row}]",
                "tileloadd tmm5, [{a1} + {row}]",
                "tileloadd tmm7, [{b1} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a}, 1024",
                "add {b}, 1024",
                "add {a1}, 1024",
                "add {b1}, 1024",
                "dec {left}",
                "jnz 2b",
                "add {row}, {row}",
                "tilestored [{c} + {row}], tmm0",
                "tilestored [{c} + {row} + 64], tmm1",
                "tilestored [{c} + {row} + 2048], tmm2",
                "tilestored [{c} + {row} + 2112], tmm3",
                a = inout(reg) left.as_ptr() => _,
                a1 = inout(reg) left.as_ptr().wrapping_byte_add(next) => _,
                b = inout(reg) right.as_ptr() => _,
                b1 = inout(reg) right.as_ptr().wrapping_byte_add(next) => _,
                c = in(reg) sums.as_mut_ptr(),
                row = inout(reg) 64usize => _,
                left = inout(reg) depth => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// Puts sums where they belong.
    #[target_feature(enable = "avx512f")]
    unsafe fn store(
        sums: &Sums,
        c: *mut f32,
        stride: usize,
        [rows, columns]: [usize; 2],
        finish: Finish<'_>,
    ) {
        let scale = _mm512_set1_ps(finish.scale);
        for half in 0..columns.div_ceil(SIDE) {
            let first = half * SIDE;
            let width = (columns - first).min(SIDE);
            let mask = if width == SIDE { !0 } else { (1u16 << width) - 1 };
            // SAFETY: masked loads and stores touch only the `width` values that there are.
            unsafe {
                let bias = match finish.bias {
                    Some(bias) => _mm512_maskz_loadu_ps(mask, bias.as_ptr().wrapping_add(first)),
                    None => _mm512_setzero_ps(),
                };
                for row in 0..rows {
                    let sum = _mm512_load_ps(sums.0.as_ptr().add(32 * row + first));
                    let at = c.wrapping_add(row * stride + first);
                    let there = match finish.accumulate {
                        true => _mm512_maskz_loadu_ps(mask, at),
                        false => _mm512_setzero_ps(),
                    };
                    let value = _mm512_fmadd_ps(sum, scale, _mm512_add_ps(bias, there));
                    _mm512_mask_storeu_ps(at, mask, value);
                }
            }
        }
    }
}

pub(super) use unit::multiply;
pub(crate) use unit::{Left, available};
