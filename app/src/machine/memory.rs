//! How much memory programs can still get, as proc(5) and the control groups tell it.

use std::path::Path;

/// Bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In all.
    pub total: u64,
    /// That programs could get without anybody being swapped out (`MemAvailable`).
    pub available: u64,
}

impl Memory {
    /// From the text of `/proc/meminfo`, whose numbers are KiB.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        Some(Self { total: of("MemTotal")?, available: of("MemAvailable")? })
    }
}

/// What is left of it where the control groups that we see have a limit at their root and the engine's are among them: then
/// both of us are in one container, and builds are in it, too. Otherwise our own limit says nothing about builds.
pub(super) fn within(whole: Memory, groups: &Path) -> Memory {
    let (root, limit, used, cache) = match groups.join("cgroup.controllers").exists() {
        true => (groups.to_owned(), "memory.max", "memory.current", "inactive_file "),
        false => (groups.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
    };
    let number = |file: &str| std::fs::read_to_string(root.join(file)).ok()?.trim().parse::<u64>().ok();
    let (true, Some(limit), Some(used)) = (root.join("docker").is_dir(), number(limit), number(used)) else {
        return whole;
    };
    if limit >= whole.total {
        return whole;
    }
    // The kernel takes these pages back before it refuses any.
    let stat = std::fs::read_to_string(root.join("memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse::<u64>().ok()).unwrap_or(0);
    let left = limit.saturating_sub(used.saturating_sub(cache));
    Memory { total: limit, available: whole.available.min(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn meminfo_is_read_in_its_own_unit() {
        let text = "MemTotal:        1024 kB\nMemFree:          10 kB\nMemAvailable:     512 kB\n";
        assert_eq!(Memory::parse(text), Some(Memory { total: MIB, available: MIB / 2 }));
        assert_eq!(Memory::parse("MemTotal: 1024 kB\n"), None, "kernels before 3.14 do not say");
        assert_eq!(Memory::parse("MemTotal: x kB\nMemAvailable: 1 kB\n"), None);
    }

    #[test]
    fn the_limit_of_a_container_counts_where_the_engine_is_inside_it_too() {
        let whole = Memory { total: 8000 * MIB, available: 6000 * MIB };
        for (unified, folder, limit, used, stat) in [
            (true, "", "memory.max", "memory.current", "inactive_file"),
            (false, "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ] {
            let groups = tempfile::tempdir().unwrap();
            let root = groups.path().join(folder);
            std::fs::create_dir_all(&root).unwrap();
            if unified {
                std::fs::write(root.join("cgroup.controllers"), "memory").unwrap();
            }
            std::fs::write(root.join(limit), (1000 * MIB).to_string()).unwrap();
            std::fs::write(root.join(used), (700 * MIB).to_string()).unwrap();
            std::fs::write(root.join("memory.stat"), format!("anon 5\n{stat} {}\n", 200 * MIB)).unwrap();
            assert_eq!(within(whole, groups.path()), whole, "the engine is elsewhere");
            std::fs::create_dir(root.join("docker")).unwrap();
            assert_eq!(within(whole, groups.path()), Memory { total: 1000 * MIB, available: 500 * MIB });
            std::fs::write(root.join(limit), "max").unwrap();
            assert_eq!(within(whole, groups.path()), whole);
        }
    }
}
