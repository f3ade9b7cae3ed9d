//! `…/hosts`: public endpoints.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{DeploymentName, Host, HostName, Identifier, Millis, NewHost, ProjectName, TlsMode};
use serde::Deserialize;

use super::answer::{read, write};
use super::deployment::At;
use super::view;
use crate::auth::Actor;
use crate::clock;
use crate::db::certificate::{self, OrderRow};
use crate::db::deployment::DeploymentRow;
use crate::db::host::HostRow;
use crate::db::{Connection, host, release as releases};
use crate::error::{Result, conflict, internal, invalid, too_many_requests};
use crate::release;
use crate::state::App;

const PATH_MAX: usize = 200;

/// The path of a host.
#[derive(Deserialize)]
pub struct AtHost {
    project: ProjectName,
    deployment: DeploymentName,
    host: HostName,
}

pub async fn list(app: Data<App>, at: Path<At>) -> Result<Json<Vec<Host>>> {
    read(&app, move |c, app| view::host::of_deployment(c, app, at.find(c)?.id)).await
}

pub async fn create(app: Data<App>, actor: Actor, at: Path<At>, body: Json<NewHost>) -> Result<Json<Host>> {
    refuse_the_consoles(&body.name, &app.config.console_host)?;
    let path = path(body.path.as_deref())?;
    let tls = tls(&body.name, body.tls)?;
    let answer = write(&app, move |tx, app| {
        let row = at.find(tx)?;
        let component = component(tx, &row, body.component.as_ref(), body.port)?;
        let id = host::create(tx, row.id, &component, &body.name, &path, tls, false)?;
        body.port.map_or(Ok(()), |port| host::set_port(tx, id, port))?;
        at.record(tx, &actor, "host.created", &format!("added the host {}", body.name))?;
        let made = host::of_deployment(tx, row.id)?.into_iter().find(|host| host.id == id);
        view::host::show(tx, app, made.ok_or_else(|| internal("a host was stored and is not there"))?)
    })
    .await?;
    app.pokes.edge.poke();
    app.pokes.certificates.poke();
    Ok(answer)
}

pub async fn remove(app: Data<App>, actor: Actor, at: Path<AtHost>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let AtHost { project, deployment, host: name } = at.into_inner();
        let at = At { project, deployment };
        host::remove(tx, at.find(tx)?.id, &name)?;
        at.record(tx, &actor, "host.removed", &format!("removed the host {name}"))
    })
    .await?;
    app.pokes.edge.poke();
    app.pokes.certificates.poke();
    Ok(HttpResponse::NoContent().finish())
}

/// Has the certificate of a host tried for now instead of at the next attempt's time.
pub async fn retry(app: Data<App>, actor: Actor, at: Path<AtHost>) -> Result<Json<Host>> {
    let answer = write(&app, move |tx, app| {
        let AtHost { project, deployment, host: name } = at.into_inner();
        let at = At { project, deployment };
        let row = host::named(tx, at.find(tx)?.id, &name)?;
        let order = certificate::order(tx, name.as_str())?;
        may_be_tried(&row, &order, clock::now())?;
        certificate::set_order(tx, name.as_str(), &OrderRow { next_at: clock::now(), ..order })?;
        at.record(tx, &actor, "host.retried", &format!("asked for the certificate of {name} now"))?;
        view::host::show(tx, app, row)
    })
    .await?;
    app.pokes.certificates.poke();
    Ok(answer)
}

/// A CA allows only so many failures, and may have asked for a rest; more would lock the name out for longer.
fn may_be_tried(row: &HostRow, order: &OrderRow, now: Millis) -> Result<()> {
    let name = &row.name;
    if row.tls != TlsMode::Acme {
        return Err(invalid(format!(
            "{name} gets no certificate from an ACME CA, its TLS is \"{}\"",
            row.tls.as_str()
        ))
        .hint("Its certificate, where it has one, is made here and at once."));
    }
    let Some(problem) = &order.problem else {
        return Err(conflict(format!("nothing stands in the way of the certificate of {name}"))
            .hint("It is ordered and renewed by itself."));
    };
    if order.barred_until > now {
        let seconds = (order.barred_until - now + 999) / 1000;
        return Err(too_many_requests(format!(
            "the CA may not be asked for {name} yet: after each failure it wants a rest. What stands in the way: {problem}"
        ))
        .hint(format!("Mend that meanwhile, and try again in {seconds} s.")));
    }
    Ok(())
}

/// The console's own name can never be an app's: whoever had it would see every password.
fn refuse_the_consoles(name: &HostName, console: &HostName) -> Result<()> {
    if name == console {
        return Err(conflict(format!("the host {name} is the console's own")).hint("Choose another name."));
    }
    Ok(())
}

/// The component that answers: the one named, or the only one. A port of its own needs a container that listens on it.
fn component(
    connection: &Connection,
    row: &DeploymentRow,
    wanted: Option<&Identifier>,
    port: Option<u16>,
) -> Result<Identifier> {
    let stack = releases::live(connection, row.id)?.and_then(|live| live.manifest);
    let known = stack.as_ref().map(|stack| stack.components.iter().map(|c| c.identifier.clone()).collect::<Vec<_>>());
    let found = choose(wanted, known)?;
    if port == Some(0) {
        return Err(invalid("0 is no port of a container").hint("Choose one between 1 and 65535."));
    }
    let part = stack.as_ref().and_then(|stack| stack.find(&found));
    if part.is_some_and(|part| part.health.running_s.is_some()) {
        return Err(invalid(format!("\"{found}\" is a worker: it listens on no port to which a host could lead"))
            .hint("Name a component that listens on one, or remove `health.running` from the manifest and deploy."));
    }
    if port.is_some() && part.is_some_and(|part| part.files.is_some()) {
        return Err(invalid(format!("\"{found}\" is served as files: no container of it listens on a port"))
            .hint("Leave the port out."));
    }
    Ok(found)
}

fn choose(wanted: Option<&Identifier>, known: Option<Vec<Identifier>>) -> Result<Identifier> {
    match (wanted, known) {
        (Some(wanted), Some(known)) if !known.contains(wanted) => {
            Err(invalid(format!("the live release has no component \"{wanted}\"")).hint(one_of(&known)))
        }
        (Some(wanted), _) => Ok(wanted.clone()),
        (None, Some(known)) if known.len() == 1 => Ok(known[0].clone()),
        (None, Some(known)) => Err(invalid("the component that answers must be named").hint(one_of(&known))),
        (None, None) => Err(invalid("the component that answers must be named as long as nothing is live")
            .hint("Name it (`--component NAME`), or deploy first.")),
    }
}

fn one_of(known: &[Identifier]) -> String {
    format!("Choose one of: {}.", known.iter().map(Identifier::as_str).collect::<Vec<_>>().join(", "))
}

fn path(given: Option<&str>) -> Result<String> {
    let path = given.unwrap_or("/");
    let clean = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b));
    let plain = path.split('/').all(|part| part != ".." && part != ".");
    if !path.starts_with('/') || path.contains("//") || !clean || !plain || path.len() > PATH_MAX {
        return Err(invalid(format!("\"{}\" is not a path prefix", path.escape_debug()))
            .hint("Write it as /name, with letters, digits and - . _ ~ only."));
    }
    let trimmed = path.trim_end_matches('/');
    Ok(if trimmed.is_empty() { "/".into() } else { trimmed.to_owned() })
}

fn tls(name: &HostName, wanted: Option<TlsMode>) -> Result<TlsMode> {
    let usual = release::tls_for(name);
    let private = usual == TlsMode::Internal;
    let mode = wanted.unwrap_or(usual);
    if mode == TlsMode::Acme && private {
        return Err(invalid(format!("no public CA makes a certificate for {name}")).hint("Use --tls internal."));
    }
    if mode == TlsMode::Acme && name.as_str().starts_with("*.") {
        return Err(invalid(format!(
            "a public certificate for the wildcard {name} needs DNS-01, which this version does not speak"
        ))
        .hint("Add each name by itself, or use --tls internal."));
    }
    Ok(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain_prefixes() {
        for (given, kept) in [(None, "/"), (Some("/"), "/"), (Some("/api"), "/api"), (Some("/api/v1/"), "/api/v1")] {
            assert_eq!(path(given).unwrap(), kept);
        }
        for bad in ["", "api", "/a//b", "/../x", "/a/..", "/a b", "/%2e", "/a?b", "/a#b", "/ä", "/\n"] {
            assert!(path(Some(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tls_follows_the_name_unless_told() {
        let mode = |name: &str, wanted| tls(&name.parse().unwrap(), wanted).ok();
        assert_eq!(mode("app.example.com", None), Some(TlsMode::Acme));
        assert_eq!(mode("app.localhost", None), Some(TlsMode::Internal));
        assert_eq!(mode("shop.home.arpa", None), Some(TlsMode::Internal));
        assert_eq!(mode("notlocalhost.example", None), Some(TlsMode::Acme));
        assert_eq!(mode("app.test", Some(TlsMode::Acme)), None);
        assert_eq!(mode("*.example.com", None), None);
        assert_eq!(mode("*.example.com", Some(TlsMode::Internal)), Some(TlsMode::Internal));
    }

    #[test]
    fn the_consoles_name_is_never_an_apps() {
        let console = "boathouse.example.com".parse().unwrap();
        assert!(refuse_the_consoles(&"BOATHOUSE.example.com.".parse().unwrap(), &console).is_err());
        assert!(refuse_the_consoles(&"app.example.com".parse().unwrap(), &console).is_ok());
    }
}
