//! Certificates from a real ACME server (Pebble) and from the internal CA, through the edge as the server runs it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use boathouse::config::ServeArgs;
use boathouse::db::certificate::{self, CertificateRow, OrderRow};
use boathouse::db::{deployment, host, project};
use boathouse::edge::run;
use boathouse::state::App;
use boathouse_types::{DeploymentStage, Source, TlsMode};
use clap::Parser as _;

use crate::edge_support::PATIENCE;
use crate::harness::proxy::Proxy;
use crate::harness::{Identity, free_port};

/// A DNS server that answers whatever it is told; every name has 127.0.0.1 unless told otherwise.
pub struct Names {
    child: Child,
    pub address: SocketAddr,
    management: u16,
}

impl Drop for Names {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Names {
    pub async fn start() -> Self {
        let (address, management) = (SocketAddr::from(([127, 0, 0, 1], free_port())), free_port());
        let (dns, api) = (address.to_string(), format!("127.0.0.1:{management}"));
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-dns01", &dns, "-management", &api, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        let child = spawn(command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]));
        wait_for("the DNS server", async || tokio::net::TcpStream::connect(("127.0.0.1", management)).await.ok()).await;
        Self { child, address, management }
    }

    async fn tell(&self, what: &str, body: serde_json::Value) {
        let url = format!("http://127.0.0.1:{}/{what}", self.management);
        let answer = client(&[]).post(url).body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// The one IPv4 address of a name.
    pub async fn point(&self, name: &str, address: &str) {
        self.tell("add-a", serde_json::json!({"host": format!("{name}."), "addresses": [address]})).await;
    }

    /// A name with no address at all.
    pub async fn point_nowhere(&self) {
        self.tell("set-default-ipv4", serde_json::json!({"ip": ""})).await;
    }

    /// Who may make certificates for a name (RFC 8659).
    pub async fn allow(&self, name: &str, issuer: &str) {
        let policies = [serde_json::json!({"tag": "issue", "value": issuer})];
        self.tell("add-caa", serde_json::json!({"host": format!("{name}."), "policies": policies})).await;
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Pebble and its DNS server, on ports of their own. Dropping it ends both.
struct Pebble {
    child: Child,
    names: Names,
    identity: Identity,
    api: u16,
    management: u16,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Pebble {
    async fn start(tls_port: u16) -> Self {
        Self::with("localhost", tls_port, 0).await
    }

    /// Validates on `tls_port` of whatever address a name has; refuses so many of a hundred good nonces.
    async fn with(name: &str, tls_port: u16, refused_nonces: u8) -> Self {
        // Its API's certificate, from a CA that the server under test is told to trust.
        let (names, identity) = (Names::start().await, Identity::of(name));
        let [api, management] = std::array::from_fn(|_| free_port());
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{api}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": identity.chain(),
            "privateKey": identity.key(),
            "httpPort": free_port(),
            "tlsPort": tls_port,
            "externalAccountBindingRequired": false,
        }});
        let file = identity.ca().with_file_name("pebble.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let child = spawn(
            Command::new("pebble")
                .args(["-config", file.to_str().unwrap(), "-dnsserver", &names.address.to_string()])
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_WFE_NONCEREJECT", refused_nonces.to_string()),
        );
        let pebble = Self { child, names, identity, api, management };
        for port in [api, management] {
            wait_for("Pebble to listen", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        }
        pebble
    }

    fn directory(&self) -> String {
        format!("https://{}:{}/dir", self.identity.name(), self.api)
    }

    /// The root of what it issues.
    async fn root(&self) -> Vec<u8> {
        let own = std::fs::read(self.identity.ca()).unwrap();
        fetch(&own, self.identity.name(), self.management, "/roots/0").await.unwrap().bytes().await.unwrap().to_vec()
    }
}

/// A client that trusts these roots and no other.
fn client(roots: &[&[u8]]) -> reqwest::Client {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let roots: Vec<_> = roots.iter().map(|pem| reqwest::Certificate::from_pem(pem).unwrap()).collect();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).tls_certs_only(roots).build().unwrap()
}

pub async fn wait_for<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 2, waiting).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    serve: ServeArgs,
}

/// The server's state in `folder`, with an edge on `https`.
pub fn open(folder: &Path, https: u16, more: &[&str]) -> App {
    let data = folder.to_str().unwrap();
    let (http, https) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{https}"));
    let mut arguments = vec!["serve", "--data-dir", data, "--http", &http];
    if !more.contains(&"--https") {
        arguments.extend(["--https", &https]);
    }
    arguments.extend(more);
    boathouse::serve::open(Arguments::parse_from(arguments).serve).unwrap()
}

/// A server that orders from `directory`, whose certificate `ca` vouches for, and finds names by `names`.
pub fn acme_app(folder: &Path, https: u16, (directory, ca): (&str, &Path), names: &Names, more: &[&str]) -> App {
    let (bundle, resolver, port) = (ca.to_str().unwrap(), names.address.to_string(), https.to_string());
    let mut flags = vec!["--acme-directory", directory, "--ca-bundle", bundle];
    flags.extend(["--resolver", &resolver, "--validation-port", &port]);
    flags.extend(more);
    open(folder, https, &flags)
}

fn pebble_app(folder: &Path, https: u16, pebble: &Pebble, more: &[&str]) -> App {
    acme_app(folder, https, (&pebble.directory(), &pebble.identity.ca()), &pebble.names, more)
}

pub fn add_host(app: &App, name: &str, tls: TlsMode) {
    let added = app.db.write_blocking(|tx| {
        let label = name.replace('.', "-").parse().unwrap();
        let id = project::create(tx, &label, &Source::Upload)?;
        let id = deployment::create(tx, id, &"production".parse().unwrap(), DeploymentStage::Production, None)?;
        host::create(tx, id, &"web".parse().unwrap(), &name.parse().unwrap(), "/", tls, false)
    });
    added.unwrap();
    app.pokes.edge.poke();
}

pub fn stored(app: &App, name: &str) -> (Option<CertificateRow>, OrderRow) {
    app.db.read_blocking(|c| Ok((certificate::get(c, name)?, certificate::order(c, name)?))).unwrap()
}

/// Status of `https://NAME/` for a client that trusts `root` only.
async fn status(root: &[u8], name: &str, port: u16) -> Result<u16, reqwest::Error> {
    fetch(root, name, port, "/").await.map(|answer| answer.status().as_u16())
}

/// Status and text of `https://NAME/PATH`, likewise.
pub async fn status_and_text(root: &[u8], name: &str, port: u16, path: &str) -> (u16, String) {
    let answer = fetch(root, name, port, path).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn fetch(root: &[u8], name: &str, port: u16, path: &str) -> Result<reqwest::Response, reqwest::Error> {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .tls_certs_only([reqwest::Certificate::from_pem(root).unwrap()])
        .resolve(name, SocketAddr::from(([127, 0, 0, 1], port)))
        .build()
        .unwrap();
    client.get(format!("https://{name}:{port}{path}")).send().await
}

#[tokio::test]
async fn a_name_that_points_here_gets_a_certificate_and_one_that_does_not_costs_no_order() {
    let https = free_port();
    let pebble = Pebble::start(https).await;
    let folder = tempfile::tempdir().unwrap();
    let app = pebble_app(folder.path(), https, &pebble, &["--public-address", "127.0.0.1"]);
    let running = run::start(&app).await.unwrap();
    pebble.names.point("elsewhere.example.org", "127.0.0.9").await;
    add_host(&app, "elsewhere.example.org", TlsMode::Acme);
    let problem = wait_for("the problem", async || stored(&app, "elsewhere.example.org").1.problem).await;
    let expected =
        "elsewhere.example.org resolves to 127.0.0.9, this machine is 127.0.0.1: change the A record to 127.0.0.1";
    assert!(problem.starts_with(expected), "{problem}");
    assert_eq!(stored(&app, "elsewhere.example.org").1.failures, 0, "the CA was not asked");

    add_host(&app, "shop.example.org", TlsMode::Acme);
    let row = wait_for("the certificate", async || stored(&app, "shop.example.org").0).await;
    assert!(row.acme && row.issuer.contains("Pebble"), "{row:?}");
    assert_eq!(stored(&app, "shop.example.org").1, OrderRow::default());
    let root = pebble.root().await;
    // No release is live: the edge says so, over a connection that the CA vouches for.
    let answer =
        wait_for("the certificate to serve", async || status(&root, "shop.example.org", https).await.ok()).await;
    assert_eq!(answer, 503);
    assert!(status(&root, "elsewhere.example.org", https).await.is_err(), "no certificate for this one");
    running.shut_down(Duration::ZERO).await;
    app.tasks.shut_down(PATIENCE).await;

    // After a restart it serves at once, from the database; the CA is gone.
    drop((app, pebble));
    let app = open(folder.path(), https, &["--acme-directory", "https://localhost:1/dir"]);
    let running = run::start(&app).await.unwrap();
    assert_eq!(status(&root, "shop.example.org", https).await.unwrap(), 503);
    running.shut_down(Duration::ZERO).await;
    app.tasks.shut_down(PATIENCE).await;
}

#[tokio::test]
async fn an_address_that_is_not_known_as_ours_is_asked_whether_it_is() {
    let https = free_port();
    let pebble = Pebble::start(https).await;
    let folder = tempfile::tempdir().unwrap();
    // As behind a load balancer: the settings name another address, and the edge answers on this one, too.
    let flags = ["--public-address", "203.0.113.9", "--https", &format!("0.0.0.0:{https}")];
    let app = pebble_app(folder.path(), https, &pebble, &flags);
    let running = run::start(&app).await.unwrap();
    pebble.names.point("shop.example.org", "127.0.0.9").await;
    add_host(&app, "shop.example.org", TlsMode::Acme);
    wait_for("the certificate", async || stored(&app, "shop.example.org").0).await;
    running.shut_down(Duration::ZERO).await;
    app.tasks.shut_down(PATIENCE).await;
}

#[tokio::test]
async fn a_ca_that_refuses_every_second_nonce_costs_no_failure() {
    let https = free_port();
    let pebble = Pebble::with("localhost", https, 50).await;
    let folder = tempfile::tempdir().unwrap();
    let app = pebble_app(folder.path(), https, &pebble, &[]);
    let running = run::start(&app).await.unwrap();
    // A failure would wait for minutes: who has a certificate before that had none.
    for name in ["one.example.org", "two.example.org", "three.example.org"] {
        add_host(&app, name, TlsMode::Acme);
    }
    for name in ["one.example.org", "two.example.org", "three.example.org"] {
        wait_for("the certificate", async || {
            let (certificate, order) = stored(&app, name);
            assert_eq!(order.failures, 0, "{order:?}");
            certificate
        })
        .await;
    }
    running.shut_down(Duration::ZERO).await;
    app.tasks.shut_down(PATIENCE).await;
}

#[tokio::test]
async fn the_ca_is_reached_through_the_proxy_and_only_where_one_is_set() {
    let https = free_port();
    // A name that the proxy alone can find.
    let pebble = Pebble::with("ca.internal", https, 0).await;
    let proxy = Proxy::start().await;
    for (flags, reached) in [
        (vec![], false),
        (vec!["--proxy".to_owned(), proxy.url(), "--no-proxy".to_owned(), "other.test,ca.internal".to_owned()], false),
        (vec!["--proxy".to_owned(), proxy.url(), "--no-proxy".to_owned(), "other.test".to_owned()], true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let app = pebble_app(folder.path(), https, &pebble, &flags);
        let running = run::start(&app).await.unwrap();
        add_host(&app, "shop.example.org", TlsMode::Acme);
        if reached {
            wait_for("the certificate", async || stored(&app, "shop.example.org").0).await;
            let target = format!("ca.internal:{}", pebble.api);
            let seen = proxy.seen();
            assert!(!seen.is_empty() && seen.iter().all(|one| *one == target), "{seen:?}");
        } else {
            let failed = async || Some(stored(&app, "shop.example.org").1).filter(|order| order.failures > 0);
            let problem = wait_for("the failure", failed).await.problem.unwrap();
            assert!(problem.starts_with("the CA at ca.internal cannot be reached: "), "{problem}");
            assert!(problem.contains("--proxy") && !problem.contains("secret"), "{problem}");
            assert_eq!(proxy.seen(), Vec::<String>::new());
        }
        running.shut_down(Duration::ZERO).await;
        app.tasks.shut_down(PATIENCE).await;
    }
}

#[tokio::test]
async fn a_refused_order_waits_and_is_not_repeated_by_a_restart() {
    // Pebble validates where nobody answers.
    let pebble = Pebble::start(1).await;
    let folder = tempfile::tempdir().unwrap();
    let name = "broken.example.org";
    for start in 0..3 {
        let https = free_port();
        let app = pebble_app(folder.path(), https, &pebble, &[]);
        let running = run::start(&app).await.unwrap();
        if start == 0 {
            add_host(&app, name, TlsMode::Acme);
        }
        let order =
            wait_for("the failure", async || Some(stored(&app, name).1).filter(|order| order.failures > 0)).await;
        look_again(&app, 5).await;
        assert_eq!(stored(&app, name).1, order, "no second order");
        assert_eq!(order.failures, 1);
        assert!(order.next_at > boathouse::clock::now());
        let problem = order.problem.unwrap();
        let told = problem.contains("Failed to connect to 127.0.0.1:1") && problem.contains("Let TCP port 443");
        assert!(told, "{problem}");
        if start == 2 {
            // Once its time has come it is tried again, and waits longer.
            let due = OrderRow { next_at: 0, ..stored(&app, name).1 };
            app.db.write_blocking(|tx| certificate::set_order(tx, name, &due)).unwrap();
            app.pokes.certificates.poke();
            let second =
                wait_for("the second failure", async || Some(stored(&app, name).1).filter(|order| order.failures == 2));
            let wait = second.await.next_at - boathouse::clock::now();
            assert!(wait > 3 * 60 * boathouse::clock::SECOND, "{wait} ms");
        }
        running.shut_down(Duration::ZERO).await;
        app.tasks.shut_down(PATIENCE).await;
    }
}

/// Lets the task look `times` more times whether something is to be ordered.
pub async fn look_again(app: &App, times: u64) {
    let runs = || app.tasks.status().iter().find(|task| task.name == "acme").map_or(0, |task| task.runs);
    for _ in 0..times {
        let before = runs();
        app.pokes.certificates.poke();
        wait_for("another look", async || (runs() > before).then_some(())).await;
    }
}

#[tokio::test]
async fn private_names_are_vouched_for_by_the_internal_ca() {
    let folder = tempfile::tempdir().unwrap();
    let https = free_port();
    let app = open(folder.path(), https, &[]);
    add_host(&app, "shop.test", TlsMode::Internal);
    add_host(&app, "shop.example.org", TlsMode::Internal);
    let running = run::start(&app).await.unwrap();
    let root = run::root_certificate(&app).await.unwrap();
    assert_eq!(std::fs::read_to_string(app.paths.ca()).unwrap(), root);
    assert_eq!(status(root.as_bytes(), "shop.test", https).await.unwrap(), 503);
    // The console is there from the start; nobody answers on its socket in this test.
    assert_eq!(status(root.as_bytes(), "boathouse.localhost", https).await.unwrap(), 502);
    assert!(status(root.as_bytes(), "shop.example.org", https).await.is_err());
    let problem = stored(&app, "shop.example.org").1.problem.unwrap();
    assert!(problem.contains("may not speak for shop.example.org"), "{problem}");
    running.shut_down(Duration::ZERO).await;
    app.tasks.shut_down(PATIENCE).await;
}
