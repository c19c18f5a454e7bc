//! The allocator's settings.

/// Keeps memory that is freed, for as long as the process lives.
///
/// A training step frees and asks for the same large tensors again and again. The C library gives
/// each back to the system, which must clear it anew: a sixth of the time of a step on the
/// processor. Only on Linux with glibc; nothing changes elsewhere.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    // SAFETY: `mallopt` only changes numbers of the allocator, which it locks itself.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}
