//! Host names that Boathouse makes up: pure planning, then one comparison with what is there.

use boathouse_types::{DeploymentId, HostName, Identifier, TlsMode};

use crate::db::host::{self, HostRow};
use crate::db::{Connection, Transaction, setting};
use crate::error::{Result, internal};
use crate::secret::sha256;
use crate::stack::Stack;
use crate::state::App;

/// A label of a host name (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;
/// Names under these get certificates of the internal CA: no public CA may sign them.
const INTERNAL: [&str; 5] = ["localhost", "internal", "test", "home.arpa", "local"];
/// The deployment whose first component gets the short name.
const PRODUCTION: &str = "production";

/// What a deployment is called.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The project's name.
    pub project: &'a str,
    /// The deployment's name.
    pub deployment: &'a str,
}

/// A host that a stack is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The component that answers.
    pub component: Identifier,
    /// The host's identifier in the manifest.
    pub identifier: Identifier,
    /// Its name.
    pub name: HostName,
    /// Path prefix.
    pub path: String,
    /// The port that it leads to, where the manifest names one.
    pub port: Option<u16>,
}

/// How the certificate of a name is made unless the user says otherwise.
pub fn tls_for(name: &HostName) -> TlsMode {
    let name = name.as_str();
    let internal =
        INTERNAL.iter().any(|end| name == *end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')));
    if internal { TlsMode::Internal } else { TlsMode::Acme }
}

/// The domain of generated names.
pub fn base_domain(connection: &Connection, app: &App) -> Result<HostName> {
    match setting::get(connection, setting::BASE_DOMAIN)? {
        Some(text) => Ok(text.parse()?),
        None => Ok(app.config.base_domain.clone()),
    }
}

/// The generated hosts of a stack. `taken` tells of names that another deployment has.
pub fn plan(
    names: Names<'_>,
    base: &HostName,
    stack: &Stack,
    taken: impl Fn(&HostName, &str) -> Result<bool>,
) -> Result<Vec<Planned>> {
    let mut planned: Vec<Planned> = Vec::new();
    for (at, component) in stack.components.iter().enumerate() {
        for host in &component.hosts {
            let short = at == 0 && names.deployment == PRODUCTION;
            let plain = if short {
                names.project.to_owned()
            } else {
                format!("{}-{}-{}", component.identifier, names.deployment, names.project)
            };
            let used = |label: &str| {
                let is = |p: &Planned| p.path == host.path && p.name.as_str().split('.').next() == Some(label);
                planned.iter().any(is)
            };
            let label = if used(&shortened(&plain)) { format!("{}-{plain}", host.identifier) } else { plain };
            let mut name = join(&shortened(&label), base)?;
            if taken(&name, &host.path)? {
                // Two projects may add up to the same name; the second one's gets a tail.
                name = join(&tailed(&label, &format!("{}/{}", names.project, names.deployment)), base)?;
            }
            planned.push(Planned {
                component: component.identifier.clone(),
                identifier: host.identifier.clone(),
                name,
                path: host.path.clone(),
                port: host.port,
            });
        }
    }
    Ok(planned)
}

fn join(label: &str, base: &HostName) -> Result<HostName> {
    format!("{label}.{base}").parse().map_err(|error| internal(format!("a generated host name is wrong: {error}")))
}

fn shortened(label: &str) -> String {
    if label.len() <= MAX_LABEL { label.to_owned() } else { tailed(label, label) }
}

/// The label, cut, with a tail that `seed` decides.
fn tailed(label: &str, seed: &str) -> String {
    const TAIL: usize = 8;
    let hex = hex::encode(&sha256(seed.as_bytes())[..TAIL / 2]);
    // Identifiers are ASCII, so every cut is a character boundary.
    let kept = &label[..label.len().min(MAX_LABEL - TAIL - 1)];
    format!("{}-{hex}", kept.trim_end_matches('-'))
}

/// The plan for a deployment as things are now.
pub fn planned(
    connection: &Connection,
    app: &App,
    deployment: DeploymentId,
    names: Names<'_>,
    stack: &Stack,
) -> Result<Vec<Planned>> {
    let base = base_domain(connection, app)?;
    plan(names, &base, stack, |name, path| {
        Ok(host::owner(connection, name, path)?.is_some_and(|owner| owner != deployment))
    })
}

/// Makes the deployment's generated hosts what the plan says; hosts that a user chose stay, except that one whose component is
/// gone answers nothing.
pub fn apply(tx: &Transaction<'_>, deployment: DeploymentId, plan: &[Planned]) -> Result<()> {
    let there = host::of_deployment(tx, deployment)?;
    let is = |row: &HostRow, want: &Planned| {
        (&row.name, &row.path, &row.component, row.port) == (&want.name, &want.path, &want.component, want.port)
    };
    for row in there.iter().filter(|row| row.generated) {
        if !plan.iter().any(|want| is(row, want)) {
            host::remove_row(tx, row.id)?;
        }
    }
    for want in plan {
        if !there
            .iter()
            .any(|row| (row.name == want.name && row.path == want.path) && (!row.generated || is(row, want)))
        {
            let id = host::create(tx, deployment, &want.component, &want.name, &want.path, tls_for(&want.name), true)?;
            want.port.map_or(Ok(()), |port| host::set_port(tx, id, port))?;
        }
    }
    Ok(())
}

/// The address to open; `port` is the edge's.
pub fn url(name: &HostName, path: &str, tls: TlsMode, http: u16, https: u16) -> String {
    let (scheme, port, standard) = if tls == TlsMode::Off { ("http", http, 80) } else { ("https", https, 443) };
    let path = if path == "/" { "" } else { path };
    if port == standard { format!("{scheme}://{name}{path}") } else { format!("{scheme}://{name}:{port}{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack;

    fn names_of(deployment: &str, project: &str, text: &str, taken: &[&str]) -> Vec<String> {
        let stack = stack::parse("m", text).unwrap();
        let names = Names { project, deployment };
        let base = "apps.test".parse().unwrap();
        let plan = plan(names, &base, &stack, |name, _| Ok(taken.contains(&name.as_str()))).unwrap();
        plan.iter().map(|p| format!("{}{}", p.name, p.path)).collect()
    }

    const TWO: &str = "components:\n  - identifier: web\n  - identifier: api\n    hosts: [{identifier: api}, {identifier: admin}, {identifier: v2, path: /v2}]\n";

    #[test]
    fn names_are_short_unique_and_valid() {
        assert_eq!(
            names_of("production", "shop", TWO, &[]),
            [
                "shop.apps.test/",
                "api-production-shop.apps.test/",
                "admin-api-production-shop.apps.test/",
                "api-production-shop.apps.test/v2"
            ]
        );
        assert_eq!(
            names_of("staging", "shop", "components:\n  - identifier: web\n", &[]),
            ["web-staging-shop.apps.test/"]
        );
        let taken = names_of("production", "shop", "components:\n  - identifier: web\n", &["shop.apps.test"]);
        assert!(taken[0].starts_with("shop-") && taken[0].len() == "shop-12345678.apps.test/".len());
        let long = "a".repeat(40);
        let names = names_of(&long, &long, &format!("components:\n  - identifier: {long}\n"), &[]);
        assert!(names[0].split('.').next().unwrap().len() <= MAX_LABEL);
        assert_eq!(
            names_of("production", "x", "components:\n  - identifier: web\n    hosts: []\n", &[]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_host_keeps_the_port_that_the_manifest_gives_it() {
        let text = "components:\n  - identifier: api\n    hosts: [{identifier: api, port: 3000}, {identifier: admin, port: 9000}]\n";
        let stack = stack::parse("m", text).unwrap();
        assert_eq!(stack.components[0].port, Some(3000));
        let names = Names { project: "shop", deployment: "production" };
        let planned = plan(names, &"apps.test".parse().unwrap(), &stack, |_, _| Ok(false)).unwrap();
        let led: Vec<_> = planned.iter().map(|host| (host.name.as_str(), host.port)).collect();
        assert_eq!(led, [("shop.apps.test", None), ("admin-shop.apps.test", Some(9000))], "none: the component's");
    }

    #[test]
    fn names_without_public_dns_get_the_internal_ca() {
        for (name, mode) in [
            ("shop.localhost", TlsMode::Internal),
            ("a.b.test", TlsMode::Internal),
            ("x.home.arpa", TlsMode::Internal),
            ("nas.local", TlsMode::Internal),
            ("shop.example.com", TlsMode::Acme),
            ("contest.com", TlsMode::Acme),
            ("a.mylocal.com", TlsMode::Acme),
        ] {
            assert_eq!(tls_for(&name.parse().unwrap()), mode, "{name}");
        }
    }
}
