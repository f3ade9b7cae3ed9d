//! What this machine has to give right now: memory, and how long work waits for it. Read when somebody asks, never at idle.

mod memory;
mod pressure;

use std::path::{Path, PathBuf};

pub use memory::Memory;
pub use pressure::{Alarm, Pressure};

/// Where the kernel tells of it.
#[derive(Debug, Clone)]
pub struct Machine {
    proc: PathBuf,
    groups: PathBuf,
}

impl Default for Machine {
    fn default() -> Self {
        Self { proc: "/proc".into(), groups: "/sys/fs/cgroup".into() }
    }
}

impl Machine {
    /// Its memory; None where the kernel does not say.
    pub fn memory(&self) -> Option<Memory> {
        let whole = Memory::parse(&self.read(&self.proc.join("meminfo"))?)?;
        Some(memory::within(whole, &self.groups))
    }

    /// How long work waits; nothing where the kernel was built, or started, without pressure stall information.
    pub fn pressure(&self) -> Pressure {
        let of = |kind: &str| self.read(&self.proc.join("pressure").join(kind));
        Pressure::parse(of("cpu").as_deref(), of("memory").as_deref(), of("io").as_deref())
    }

    /// Rings as soon as work waits for memory; None where the kernel rings no bells.
    pub fn memory_alarm(&self) -> Option<Alarm> {
        Alarm::set(&self.proc.join("pressure/memory")).ok()
    }

    fn read(&self, path: &Path) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_what_it_has() {
        let memory = Machine::default().memory().unwrap();
        assert!(memory.available > 0 && memory.available <= memory.total, "{memory:?}");
    }

    #[test]
    fn a_kernel_that_says_nothing_is_no_failure() {
        let silent = Machine { proc: "/nowhere".into(), groups: "/nowhere".into() };
        assert_eq!((silent.memory(), silent.pressure()), (None, Pressure::default()));
        assert!(silent.memory_alarm().is_none());
    }
}
