//! What the containers of a part may use: memory in bytes and processor time in thousandths of a core, each; and how many there are.

use serde::{Deserialize, Deserializer, Serialize};

use crate::Identifier;

/// With less memory the engine starts no container, in bytes.
pub const MIN_MEMORY: u64 = 6 << 20;
/// More than any machine has, in bytes.
pub const MAX_MEMORY: u64 = 1 << 50;
/// The engine counts in hundredths of a core.
pub const MIN_CPU_MILLIS: u32 = 10;
/// More cores than any machine has, in thousandths.
pub const MAX_CPU_MILLIS: u32 = 1024 * 1000;

/// Containers of one component at most; the edge counts on fewer than 64.
pub const MAX_REPLICAS: u32 = 20;

/// Limits of each container of a part, and how many it has; no limit, and one, where absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resources {
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// How many containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
}

impl Resources {
    /// These limits, and those of `other` where there are none.
    pub fn or(self, other: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.or(other.memory_bytes),
            cpu_millis: self.cpu_millis.or(other.cpu_millis),
            replicas: self.replicas.or(other.replicas),
        }
    }

    /// How many containers.
    pub fn count(self) -> u32 {
        self.replicas.unwrap_or(1)
    }

    /// Whether containers with these and with those are the same, and as many.
    pub fn are(self, other: Self) -> bool {
        let of = |all: Self| Self { replicas: Some(all.count()), ..all };
        of(self) == of(other)
    }

    /// True where nothing is said.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// `GET …/deployments/{deployment}/resources`: what the containers of a deployment may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeploymentResources {
    /// Add-ons and components with a container; empty before the first release has read the manifest. At the end those parts
    /// that the stack does not have, and for which limits are kept.
    pub parts: Vec<PartResources>,
    /// Cores of the host, of which no part can have more; absent until the engine has answered.
    pub host_cpus: Option<u32>,
}

/// What a component or add-on may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartResources {
    /// The component or add-on.
    pub identifier: Identifier,
    /// Only components reach it.
    pub addon: bool,
    /// The stack has it, with a container. Else the limits are kept, and mean nothing now.
    pub used: bool,
    /// What the manifest says.
    pub manifest: Resources,
    /// What the deployment says; it wins.
    pub own: Resources,
    /// What its containers have now; absent where nothing of it is live.
    pub live: Option<Resources>,
    /// Why it has one container, whatever is set; absent where it can have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub single: Option<String>,
}

impl PartResources {
    /// What its containers have from the next release on.
    pub fn next(&self) -> Resources {
        self.own.or(self.manifest)
    }

    /// What is set is not what runs: it restarts when it is applied.
    pub fn waits(&self) -> bool {
        self.used && self.live.is_some_and(|live| !live.are(self.next()))
    }
}

/// `PATCH …/deployments/{deployment}/resources`. A change of a part as RFC 7396 merges it: what is absent stays, `null` is
/// what the manifest says again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeResources {
    /// Parts whose limits change.
    pub parts: Vec<ChangePartResources>,
}

/// Other limits for a component or add-on of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePartResources {
    /// The component or add-on.
    pub identifier: Identifier,
    /// Bytes of memory, at least 6 MiB; `null` for what the manifest says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub memory_bytes: Option<Option<u64>>,
    /// Thousandths of a core, at most the cores of the host; `null` for what the manifest says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>))]
    pub cpu_millis: Option<Option<u32>>,
    /// How many containers, 1 to 20; `null` for what the manifest says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>))]
    pub replicas: Option<Option<u32>>,
}

impl ChangePartResources {
    /// A change of nothing.
    pub fn of(identifier: Identifier) -> Self {
        Self { identifier, memory_bytes: None, cpu_millis: None, replicas: None }
    }

    /// The limits after the change.
    pub fn merged(&self, own: Resources) -> Resources {
        Resources {
            memory_bytes: self.memory_bytes.unwrap_or(own.memory_bytes),
            cpu_millis: self.cpu_millis.unwrap_or(own.cpu_millis),
            replicas: self.replicas.unwrap_or(own.replicas),
        }
    }
}

/// Tells `null`, which is something, from what is absent.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Bytes of memory, as people and manifests write them: `512MiB`, `2 GiB`. Not checked against the limits.
pub fn memory(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "MiB" | "Mi" | "MB" | "M" | "m" => 1 << 20,
        "GiB" | "Gi" | "GB" | "G" | "g" => 1 << 30,
        "KiB" | "Ki" | "KB" | "K" | "k" => 1 << 10,
        "" | "B" => 1,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Thousandths of a core, as people and manifests write cores: `0.5`, `2`. Not checked against the limits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked before")]
pub fn cpus(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let millis = text.parse::<f64>().ok()? * 1000.0;
    (plain && millis.is_finite() && millis <= f64::from(u32::MAX)).then_some(millis.round() as u32)
}

/// Bytes of memory in words, exactly: `512 MiB`.
pub fn memory_words(bytes: u64) -> String {
    match (bytes % (1 << 30), bytes % (1 << 20), bytes % (1 << 10)) {
        (0, ..) => format!("{} GiB", bytes >> 30),
        (_, 0, _) => format!("{} MiB", bytes >> 20),
        (.., 0) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

/// Thousandths of a core as cores, exactly: `0.5`, `2`.
pub fn cpus_words(millis: u32) -> String {
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_others_are_none() {
        for (text, bytes) in
            [("512MiB", 512 << 20), ("2 GiB", 2 << 30), ("6291457", (6 << 20) + 1), ("100k", 100 << 10)]
        {
            assert_eq!(memory(text), Some(bytes), "{text}");
            assert_eq!(memory(&memory_words(bytes)), Some(bytes));
        }
        for (text, millis) in [("0.5", 500), ("2", 2000), ("1.25", 1250), ("0.001", 1), ("10", 10_000)] {
            assert_eq!(cpus(text), Some(millis), "{text}");
            assert_eq!(cpus_words(millis), text);
        }
        for text in ["", "lots", "-1", "1e3", "99999999999999999999GiB", "1 PiB", "0x10", "inf"] {
            assert_eq!((memory(text).filter(|_| !text.is_empty()), cpus(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn one_container_is_what_there_is_where_nothing_is_said() {
        let of = |replicas| Resources { replicas, ..Resources::default() };
        assert!(of(None).are(of(Some(1))) && !of(None).are(of(Some(2))));
        assert!(!of(None).are(Resources { cpu_millis: Some(1), ..of(None) }));
        assert_eq!(
            (of(None).count(), of(Some(3)).or(of(Some(2))).count(), of(None).or(of(Some(2))).count()),
            (1, 3, 2)
        );
    }

    #[test]
    fn what_is_absent_stays_and_null_goes() {
        let own = Resources { memory_bytes: Some(1), cpu_millis: Some(2), replicas: Some(3) };
        let merged = |text: &str| serde_json::from_str::<ChangePartResources>(text).unwrap().merged(own);
        assert_eq!(merged(r#"{"identifier":"web"}"#), own);
        assert_eq!(merged(r#"{"identifier":"web","memory_bytes":null}"#), Resources { memory_bytes: None, ..own });
        assert_eq!(merged(r#"{"identifier":"web","cpu_millis":9}"#), Resources { cpu_millis: Some(9), ..own });
        assert_eq!(merged(r#"{"identifier":"web","replicas":null}"#), Resources { replicas: None, ..own });
        let text = serde_json::to_string(&ChangePartResources {
            cpu_millis: Some(None),
            ..ChangePartResources::of("web".parse().unwrap())
        });
        assert_eq!(text.unwrap(), r#"{"identifier":"web","cpu_millis":null}"#);
    }
}
