//! What one build may use: the server's limits, and the component's own where these are lower.

use std::time::Duration;

use boathouse_types::resources::{cpus_words, memory_words};

use crate::config::ServeArgs;
use crate::docker::BuildLimits;
use crate::stack::BuildOwnLimits;

/// Processes and threads of one build.
const PIDS: u32 = 4096;
const MILLIS_PER_CPU: f64 = 1000.0;

/// What this server gives to a build.
pub fn of_server(config: &ServeArgs) -> BuildLimits {
    BuildLimits {
        memory: (config.build_memory > 0).then_some(config.build_memory << 20),
        cpus: (config.build_cpus > 0.0).then_some(config.build_cpus),
        pids: Some(PIDS),
        wall_clock: Some(Duration::from_secs(config.build_timeout)),
    }
}

/// The lower of both: whoever writes a manifest cannot give himself more.
pub fn within(own: &BuildOwnLimits, server: BuildLimits) -> BuildLimits {
    let cpus = own.cpu_millis.map(|millis| f64::from(millis) / MILLIS_PER_CPU);
    BuildLimits {
        memory: server.memory.into_iter().chain(own.memory_bytes).min(),
        cpus: server.cpus.into_iter().chain(cpus).reduce(f64::min),
        pids: server.pids,
        wall_clock: server.wall_clock.into_iter().chain(own.time_s.map(seconds)).min(),
    }
}

/// Says where a component asked for more than it gets.
pub fn cut(own: &BuildOwnLimits, got: &BuildLimits) -> Vec<String> {
    let memory = own.memory_bytes.zip(got.memory).filter(|(asked, got)| asked > got);
    let cpus = own.cpu_millis.zip(got.cpus).filter(|(asked, got)| f64::from(*asked) > got * MILLIS_PER_CPU);
    let time = own.time_s.zip(got.wall_clock).filter(|(asked, got)| seconds(*asked) > *got);
    let all = [
        ("memory", memory.map(|(asked, got)| (memory_words(asked), memory_words(got)))),
        ("cpus", cpus.map(|(asked, got)| (cpus_words(asked), got.to_string()))),
        ("time", time.map(|(asked, got)| (format!("{asked} s"), format!("{} s", got.as_secs())))),
    ];
    let told = |(name, both): (&str, Option<(String, String)>)| {
        let (asked, got) = both?;
        Some(format!("`build.limits.{name}` is {asked}; this server gives a build {got}"))
    };
    all.into_iter().filter_map(told).collect()
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(memory_mib: u64, millis: u32, seconds: u32) -> BuildOwnLimits {
        BuildOwnLimits { memory_bytes: Some(memory_mib << 20), cpu_millis: Some(millis), time_s: Some(seconds) }
    }

    #[test]
    fn a_component_has_what_it_asks_for_and_never_more_than_the_server_gives() {
        let all = |memory_mib: u64, cpus, time| BuildLimits {
            memory: Some(memory_mib << 20),
            cpus: Some(cpus),
            pids: Some(PIDS),
            wall_clock: Some(seconds(time)),
        };
        let server = all(1024, 2.0, 900);
        assert_eq!(within(&BuildOwnLimits::default(), server), server);
        assert_eq!(within(&own(2048, 4000, 3600), server), server);
        assert_eq!(within(&own(512, 500, 60), server), all(512, 0.5, 60));
        let open = BuildLimits { memory: None, cpus: None, ..server };
        assert_eq!(within(&BuildOwnLimits::default(), open), open);
        assert_eq!(within(&own(2048, 4000, 60), open), all(2048, 4.0, 60));
    }

    #[test]
    fn what_is_cut_is_told() {
        let server = BuildLimits { memory: Some(1 << 30), cpus: Some(2.0), pids: None, wall_clock: None };
        let told = |own: BuildOwnLimits| cut(&own, &within(&own, server));
        assert_eq!(told(own(1024, 2000, 60)), [""; 0]);
        let said = told(own(2048, 4000, 60));
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[0], "`build.limits.memory` is 2 GiB; this server gives a build 1 GiB");
        assert!(said[1].contains("cpus` is 4; this server gives a build 2"), "{said:?}");
    }
}
