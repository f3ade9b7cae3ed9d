//! Certificates, the ACME account, orders under way, the internal CA. Keys are sealed; this module never sees them open.

use std::collections::HashMap;

use boathouse_types::{Certificate, Millis};
use rusqlite::{Row, params};

use super::{Connection, OptionalExtension, Transaction, among};
use crate::clock;
use crate::error::Result;

/// A certificate's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRow {
    /// The host it speaks for.
    pub name: String,
    /// True where an ACME CA made it, false for the internal CA.
    pub acme: bool,
    /// The chain, leaf first.
    pub chain_pem: String,
    /// The key's PEM, sealed for [`key_aad`].
    pub key_sealed: Vec<u8>,
    /// The issuer's common name.
    pub issuer: String,
    /// Valid from.
    pub not_before: Millis,
    /// Valid until.
    pub not_after: Millis,
}

/// What stands between a host and its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderRow {
    /// Failed orders since the last success.
    pub failures: u32,
    /// Nothing is tried before.
    pub next_at: Millis,
    /// What went wrong last, and what to do.
    pub problem: Option<String>,
    /// When the failures that a CA allows are all to be had again.
    pub spent_until: Millis,
    /// Nothing is asked of a CA before, whoever wants it.
    pub barred_until: Millis,
}

/// The internal CA's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaRow {
    /// The root certificate.
    pub cert_pem: String,
    /// Its key's PEM, sealed for [`CA_AAD`].
    pub key_sealed: Vec<u8>,
}

/// What the internal CA's key is bound to.
pub const CA_AAD: &str = "internal-ca";

/// What a certificate's key is bound to.
pub fn key_aad(name: &str) -> String {
    format!("certificate:{name}")
}

/// What an ACME account's key is bound to.
pub fn account_aad(directory: &str) -> String {
    format!("acme-account:{directory}")
}

/// Stores a certificate in place of an older one of that name, and forgets what stood in its way.
pub fn store(tx: &Transaction<'_>, row: &CertificateRow) -> Result<()> {
    tx.execute(
        "insert into certificate (name, source, chain_pem, key_sealed, issuer, not_before, not_after, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         on conflict (name) do update set source = excluded.source, chain_pem = excluded.chain_pem,
           key_sealed = excluded.key_sealed, issuer = excluded.issuer, not_before = excluded.not_before,
           not_after = excluded.not_after, created_at = excluded.created_at",
        params![
            row.name,
            if row.acme { "acme" } else { "internal" },
            row.chain_pem,
            row.key_sealed,
            row.issuer,
            row.not_before,
            row.not_after,
            clock::now()
        ],
    )?;
    tx.execute("delete from acme_order where name = ?1", [&row.name])?;
    Ok(())
}

/// The certificate of a host.
pub fn get(connection: &Connection, name: &str) -> Result<Option<CertificateRow>> {
    let mut statement = connection.prepare_cached("select * from certificate where name = ?1")?;
    Ok(statement.query_row([name], certificate).optional()?)
}

/// All certificates.
pub fn all(connection: &Connection) -> Result<Vec<CertificateRow>> {
    let mut statement = connection.prepare_cached("select * from certificate order by name")?;
    Ok(statement.query_map([], certificate)?.collect::<rusqlite::Result<_>>()?)
}

/// What stands between a host and its certificate, as far as is known.
pub fn order(connection: &Connection, name: &str) -> Result<OrderRow> {
    let row = connection
        .prepare_cached("select * from acme_order where name = ?1")?
        .query_row([name], |row| {
            Ok(OrderRow {
                failures: row.get("failures")?,
                next_at: row.get("next_at")?,
                problem: row.get("problem")?,
                spent_until: row.get("spent_until")?,
                barred_until: row.get("barred_until")?,
            })
        })
        .optional()?;
    Ok(row.unwrap_or_default())
}

/// How a host stands with its certificate, as it is shown: without chain and key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// The one that serves.
    pub certificate: Option<Certificate>,
    /// What stands in the way of the next one.
    pub problem: Option<String>,
    /// When that is tried for.
    pub next_at: Millis,
}

/// How hosts stand with their certificates, by name.
pub fn standings<'a>(
    connection: &Connection,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<String, Standing>> {
    let sql =
        "select asked.value as name, c.issuer, c.not_before, c.not_after, o.problem, o.next_at from json_each(?1) asked
      left join certificate c on c.name = asked.value left join acme_order o on o.name = asked.value";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([among(names)], |row| {
        let issuer: Option<String> = row.get("issuer")?;
        let made = |issuer| -> rusqlite::Result<Certificate> {
            Ok(Certificate { issuer, not_before: row.get("not_before")?, not_after: row.get("not_after")? })
        };
        let next_at: Option<Millis> = row.get("next_at")?;
        let standing = Standing {
            certificate: issuer.map(made).transpose()?,
            problem: row.get("problem")?,
            next_at: next_at.unwrap_or_default(),
        };
        Ok((row.get("name")?, standing))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Notes how the attempts for a host stand.
pub fn set_order(tx: &Transaction<'_>, name: &str, order: &OrderRow) -> Result<()> {
    tx.execute(
        "insert into acme_order (name, failures, next_at, problem, spent_until, barred_until) values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (name) do update set failures = excluded.failures, next_at = excluded.next_at, problem = excluded.problem,
           spent_until = excluded.spent_until, barred_until = excluded.barred_until",
        params![name, order.failures, order.next_at, order.problem, order.spent_until, order.barred_until],
    )?;
    Ok(())
}

/// The sealed account key for a directory; `make` seals a new one where there is none. One per directory, for good.
pub fn account(tx: &Transaction<'_>, directory: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
    let found = tx
        .query_row("select key_sealed from acme_account where directory = ?1", [directory], |row| row.get(0))
        .optional()?;
    if let Some(sealed) = found {
        return Ok(sealed);
    }
    let sealed = make();
    tx.execute(
        "insert into acme_account (directory, key_sealed, created_at) values (?1, ?2, ?3)",
        params![directory, sealed, clock::now()],
    )?;
    Ok(sealed)
}

/// The internal CA; `make` makes it where there is none.
pub fn ca(tx: &Transaction<'_>, make: impl FnOnce() -> Result<CaRow>) -> Result<CaRow> {
    if let Some(row) = find_ca(tx)? {
        return Ok(row);
    }
    let row = make()?;
    tx.execute(
        "insert into internal_ca (id, cert_pem, key_sealed, created_at) values (1, ?1, ?2, ?3)",
        params![row.cert_pem, row.key_sealed, clock::now()],
    )?;
    Ok(row)
}

/// The internal CA, once it was made.
pub fn find_ca(connection: &Connection) -> Result<Option<CaRow>> {
    let row = connection.query_row("select cert_pem, key_sealed from internal_ca", [], |row| {
        Ok(CaRow { cert_pem: row.get(0)?, key_sealed: row.get(1)? })
    });
    Ok(row.optional()?)
}

fn certificate(row: &Row<'_>) -> rusqlite::Result<CertificateRow> {
    Ok(CertificateRow {
        name: row.get("name")?,
        acme: row.get::<_, String>("source")? == "acme",
        chain_pem: row.get("chain_pem")?,
        key_sealed: row.get("key_sealed")?,
        issuer: row.get("issuer")?,
        not_before: row.get("not_before")?,
        not_after: row.get("not_after")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::test::fresh;

    fn row(name: &str, not_after: Millis) -> CertificateRow {
        CertificateRow {
            name: name.to_owned(),
            acme: true,
            chain_pem: "chain".to_owned(),
            key_sealed: vec![1],
            issuer: "CA".to_owned(),
            not_before: 1,
            not_after,
        }
    }

    #[test]
    fn a_new_certificate_replaces_the_old_one_and_its_trouble() {
        let (_folder, db) = fresh();
        let problem = Some("no".to_owned());
        let trouble = OrderRow { failures: 3, next_at: 7, problem, spent_until: 9, barred_until: 8 };
        db.write_blocking(|tx| {
            store(tx, &row("a.test", 10))?;
            set_order(tx, "a.test", &trouble)?;
            set_order(tx, "b.test", &trouble)
        })
        .unwrap();
        assert_eq!(db.read_blocking(|c| order(c, "a.test")).unwrap(), trouble);
        db.write_blocking(|tx| store(tx, &row("a.test", 20))).unwrap();
        assert_eq!(db.read_blocking(|c| get(c, "a.test")).unwrap(), Some(row("a.test", 20)));
        assert_eq!(db.read_blocking(|c| order(c, "a.test")).unwrap(), OrderRow::default());
        assert_eq!(db.read_blocking(|c| order(c, "b.test")).unwrap(), trouble);
        assert_eq!(db.read_blocking(all).unwrap().len(), 1);
    }

    #[test]
    fn keys_are_made_once() {
        let (_folder, db) = fresh();
        for made in 1..4_u8 {
            let sealed = db.write_blocking(|tx| account(tx, "https://ca/dir", || vec![made])).unwrap();
            assert_eq!(sealed, [1]);
            let make = || Ok(CaRow { cert_pem: made.to_string(), key_sealed: vec![made] });
            assert_eq!(db.write_blocking(|tx| ca(tx, make)).unwrap().cert_pem, "1");
        }
    }
}
