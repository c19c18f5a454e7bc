//! What the system says about memory. Linux only; elsewhere nothing is known.

use std::{fs, path::Path};

/// Bytes that this process could still take: the least of what the machine has available and
/// what each control group above the process allows.
pub fn available() -> Option<u64> {
    let machine = kib_field(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let allowed = cgroup_available(Path::new("/sys/fs/cgroup"), &groups);
    Some(allowed.map_or(machine, |allowed| allowed.min(machine)))
}

/// Bytes of memory that the process holds.
pub fn rss() -> Option<u64> {
    kib_field(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The most bytes of memory that the process held since its start or the last
/// [`reset_peak_rss`].
pub fn peak_rss() -> Option<u64> {
    kib_field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Sets the peak to what is held now; says whether the system allowed it.
pub fn reset_peak_rss() -> bool {
    // 5 resets VmHWM (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// A line such as `MemAvailable:   123 kB`, in bytes.
fn kib_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The least of what the control groups of `/proc/self/cgroup` leave, if any has a limit.
fn cgroup_available(root: &Path, groups: &str) -> Option<u64> {
    let left = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        if controllers.is_empty() {
            least(root, path, ["memory.max", "memory.current", "inactive_file"])
        } else if controllers.split(',').any(|name| name == "memory") {
            let files = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
            least(&root.join("memory"), path, files)
        } else {
            None
        }
    });
    left.min()
}

/// The least of what a group and its ancestors leave.
fn least(root: &Path, path: &str, files: [&str; 3]) -> Option<u64> {
    let group = root.join(path.trim_start_matches('/'));
    let inside = group.ancestors().take_while(|dir| dir.starts_with(root));
    // In a container the path is the host's, and only the root is mounted.
    inside.chain([root]).filter_map(|dir| left(dir, files)).min()
}

fn left(dir: &Path, [limit, usage, reclaimable]: [&str; 3]) -> Option<u64> {
    let number = |file: &str| fs::read_to_string(dir.join(file)).ok()?.trim().parse::<u64>().ok();
    // "max" stands for no limit in version 2 and does not parse.
    let (limit, usage) = (number(limit)?, number(usage)?);
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix(reclaimable)?.trim().parse().ok());
    Some(limit.saturating_sub(usage.saturating_sub(cache.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let found = |groups| cgroup_available(root.path(), groups);
        assert_eq!(found("0::/a/b\n"), None);
        put("a/b/memory.max", "max\n");
        put("a/b/memory.current", "300\n");
        assert_eq!(found("0::/a/b\n"), None);
        put("a/memory.max", "1000\n");
        put("a/memory.current", "700\n");
        assert_eq!(found("0::/a/b\n"), Some(300));
        put("a/memory.stat", "anon 5\ninactive_file 200\n");
        assert_eq!(found("0::/a/b\n"), Some(500));
        put("memory/job/memory.limit_in_bytes", "400\n");
        put("memory/job/memory.usage_in_bytes", "390\n");
        assert_eq!(found("4:cpu,memory:/job\n0::/a/b\n"), Some(10));
        assert_eq!(found("4:cpu:/job\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_follows_what_is_held() {
        let size = 256 << 20;
        let held = vec![1u8; size];
        assert!(peak_rss().unwrap() >= size as u64);
        assert!(available().unwrap() > 0);
        drop(std::hint::black_box(held));
        if reset_peak_rss() {
            assert!(peak_rss().unwrap() < rss().unwrap() + (64 << 20));
        }
    }
}
