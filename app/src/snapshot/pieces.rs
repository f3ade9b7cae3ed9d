//! What `${generate-random-…}` stands for: read from the database once, made where it is not there yet, kept by the
//! transaction that made it.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentId, EnvKey, Identifier};
use serde::{Deserialize, Serialize};

use crate::db::{Connection, Transaction, generated};
use crate::error::{Error, Result, invalid};
use crate::secret::{self, SecretKey};
use crate::stack::environment::Supply;
use crate::stack::template::Generator;

/// A piece and what asked for it: where a package asks for another length, another one is made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Piece {
    asked: String,
    value: String,
}

type Variable = (Identifier, EnvKey);

/// The generated pieces of a deployment.
pub struct Pieces {
    known: BTreeMap<Variable, Vec<Piece>>,
    made: BTreeSet<Variable>,
}

impl Pieces {
    /// Those that are kept.
    ///
    /// # Errors
    /// One that cannot be opened refuses: a new password would lock everybody out of what the old one opens.
    pub fn load(connection: &Connection, key: &SecretKey, deployment: DeploymentId) -> Result<Self> {
        let mut known = BTreeMap::new();
        for row in generated::list(connection, deployment)? {
            let refused = |error: Error| {
                invalid(format!(
                    "the generated value of {}.{} cannot be opened, so nothing was started",
                    row.identifier, row.key
                ))
                .hint("Put back the key file that belongs to this database.")
                .caused_by(error)
            };
            let aad = generated::aad(deployment, &row.identifier, &row.key);
            let opened = key.open(&aad, &row.pieces_sealed).map_err(refused)?;
            known.insert((row.identifier, row.key), serde_json::from_slice(&opened)?);
        }
        Ok(Self { known, made: BTreeSet::new() })
    }

    /// Keeps what was made since.
    pub fn keep(&mut self, tx: &Transaction<'_>, key: &SecretKey, deployment: DeploymentId) -> Result<()> {
        for variable in std::mem::take(&mut self.made) {
            let Some(pieces) = self.known.get(&variable) else { continue };
            let (identifier, name) = &variable;
            let sealed = key.seal(&generated::aad(deployment, identifier, name), &serde_json::to_vec(pieces)?);
            generated::set(tx, deployment, identifier, name, &sealed)?;
        }
        Ok(())
    }

    /// Gives a deployment the pieces of another one, whose data it gets.
    pub fn copy(tx: &Transaction<'_>, key: &SecretKey, from: DeploymentId, to: DeploymentId) -> Result<()> {
        let mut pieces = Self::load(tx, key, from)?;
        pieces.made = pieces.known.keys().cloned().collect();
        pieces.keep(tx, key, to)
    }

    /// Makes the pieces of a variable anew, at the next time that they are asked for.
    pub fn forget(&mut self, identifier: &Identifier, key: &EnvKey) {
        self.known.remove(&(identifier.clone(), key.clone()));
    }

    /// All values: no log may show them.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.known.values().flatten().map(|piece| piece.value.as_str())
    }
}

impl Supply for Pieces {
    fn piece(&mut self, part: &Identifier, key: &EnvKey, nth: usize, generator: Generator) -> Result<String> {
        let (variable, asked) = ((part.clone(), key.clone()), generator.to_string());
        let pieces = self.known.entry(variable.clone()).or_default();
        if let Some(piece) = pieces.iter().filter(|piece| piece.asked == asked).nth(nth) {
            return Ok(piece.value.clone());
        }
        let value = match generator {
            Generator::Password { length } => secret::random_password(length),
            Generator::Bytes { length } => secret::random_base64(length),
        };
        pieces.push(Piece { asked, value: value.clone() });
        self.made.insert(variable);
        Ok(value)
    }

    fn missing(&mut self, part: &Identifier, reader: &EnvKey, key: &EnvKey) -> Result<String> {
        Err(invalid(format!("the variable {reader} of \"{part}\" reads ${{{key}}}, and no variable of that name has a value"))
            .hint(format!("Set it with `boathouse env set {key}=VALUE --component {part}`, or write `$${{{key}}}` where the text itself is meant.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;

    fn made(db: &Db, project: &str) -> DeploymentId {
        let (name, stage) = ("production".parse().unwrap(), boathouse_types::DeploymentStage::Production);
        db.write_blocking(|tx| {
            let project = crate::db::project::create(tx, &project.parse().unwrap(), &boathouse_types::Source::Upload)?;
            crate::db::deployment::create(tx, project, &name, stage, None)
        })
        .unwrap()
    }

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn pieces_are_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("db"), dir.path()).unwrap();
        let (part, name): (Identifier, EnvKey) = ("db".parse().unwrap(), "PASSWORD".parse().unwrap());
        let password = Generator::Password { length: 16 };
        let deployment = made(&db, "shop");
        let other = self::made(&db, "other");
        let made = db
            .write_blocking(|tx| {
                let mut pieces = Pieces::load(tx, &key(1), deployment)?;
                let first = pieces.piece(&part, &name, 0, password)?;
                assert_eq!(pieces.piece(&part, &name, 0, password)?, first);
                assert_ne!(pieces.piece(&part, &name, 1, password)?, first);
                pieces.keep(tx, &key(1), deployment)?;
                Ok(first)
            })
            .unwrap();
        assert!(made.len() == 16 && made.bytes().all(|b| b.is_ascii_alphanumeric()), "{made}");
        db.write_blocking(|tx| {
            let mut again = Pieces::load(tx, &key(1), deployment)?;
            assert_eq!(again.piece(&part, &name, 0, password)?, made);
            assert_eq!(again.piece(&part, &name, 0, Generator::Password { length: 20 })?.len(), 20);
            assert_eq!(again.values().count(), 3);
            assert!(Pieces::load(tx, &key(2), deployment).is_err(), "another key refuses");
            let row = &generated::list(tx, deployment)?[0];
            assert!(!row.pieces_sealed.windows(made.len()).any(|part| part == made.as_bytes()), "it is sealed");
            let target = other;
            let other = Pieces::load(tx, &key(1), other)?.piece(&part, &name, 0, password)?;
            assert_ne!(other, made, "another deployment has its own");
            Pieces::copy(tx, &key(1), deployment, target)?;
            assert_eq!(
                Pieces::load(tx, &key(1), target)?.piece(&part, &name, 0, password)?,
                made,
                "unless it gets its data"
            );
            again.forget(&part, &name);
            assert_ne!(again.piece(&part, &name, 0, password)?, made);
            Ok(())
        })
        .unwrap();
    }
}
