//! Starters: choices of packages that somebody made already. Each is changed like any other choice before it is built.

use std::sync::LazyLock;

use boathouse_types::Starter;

use super::embedded;

const FILE: &str = "starters.json";

/// All starters, the usual ones first.
///
/// Invariant: the file can be read, and each of its choices becomes code; a test makes them all.
pub fn starters() -> &'static [Starter] {
    static ALL: LazyLock<Vec<Starter>> = LazyLock::new(|| {
        let text = embedded::file(FILE).expect("the file is embedded");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("catalog/{FILE}: {error}"))
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::generate;

    #[test]
    fn each_has_a_name_of_its_own_and_becomes_code() {
        let mut seen = BTreeSet::new();
        for starter in starters() {
            assert!(seen.insert(&starter.identifier), "{} is there twice", starter.identifier);
            let choice = starter.clone().choice("shop".parse().unwrap());
            let made = generate(&choice, &crate::catalog::Catalog::default()).unwrap_or_else(|error| panic!("{error}"));
            assert!(made.files.len() > 3, "{}", starter.identifier);
        }
    }
}
