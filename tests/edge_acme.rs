//! Certificates from a real ACME server (Pebble) and from the internal CA, through the edge as the server runs it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use boathouse::config::ServeArgs;
use boathouse::db::certificate::{self, CertificateRow, OrderRow};
use boathouse::db::{deployment, host, project};
use boathouse::edge::{ca, run};
use boathouse::secret::SecretKey;
use boathouse::state::App;
use boathouse_types::{DeploymentStage, Source, TlsMode};
use clap::Parser as _;

use crate::edge_support::PATIENCE;

/// Pebble and its DNS server, on ports of their own. Dropping it ends both.
struct Pebble {
    children: Vec<Child>,
    api: u16,
    management: u16,
    dns: SocketAddr,
    dns_management: u16,
    folder: tempfile::TempDir,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Pebble {
    /// Validates on `tls_port` of whatever address a name has; every name has 127.0.0.1 unless told otherwise.
    async fn start(tls_port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [api, management, dns_port, dns_management] = std::array::from_fn(|_| free_port());
        // Its API's certificate, from a CA that the server under test is told to trust.
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let root = ca::create(&key, "pebble", &[]).unwrap();
        let leaf = ca::Ca::open(&root, &key).unwrap().issue("localhost", &key).unwrap();
        let leaf_key = key.open(&certificate::key_aad("localhost"), &leaf.key_sealed).unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        write("ca.pem", root.cert_pem.as_bytes());
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{api}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": write("cert.pem", leaf.chain_pem.as_bytes()),
            "privateKey": write("key.pem", &leaf_key),
            "httpPort": free_port(),
            "tlsPort": tls_port,
            "externalAccountBindingRequired": false,
        }});
        let config = write("pebble.json", config.to_string().as_bytes());
        let spawn = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let dns = SocketAddr::from(([127, 0, 0, 1], dns_port));
        let names = spawn(Command::new("pebble-challtestsrv").args([
            "-dns01",
            &dns.to_string(),
            "-management",
            &format!("127.0.0.1:{dns_management}"),
            "-defaultIPv4",
            "127.0.0.1",
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
        ]));
        let pebble = spawn(
            Command::new("pebble")
                .args(["-config", config.to_str().unwrap(), "-dnsserver", &dns.to_string()])
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_WFE_NONCEREJECT", "0"),
        );
        let pebble = Self { children: vec![names, pebble], api, management, dns, dns_management, folder };
        for port in [api, management, dns_management] {
            wait_for("Pebble to listen", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        }
        pebble
    }

    fn ca(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    async fn point(&self, name: &str, address: IpAddr) {
        let url = format!("http://127.0.0.1:{}/add-a", self.dns_management);
        let body = serde_json::json!({"host": format!("{name}."), "addresses": [address]}).to_string();
        let answer = client(&[]).post(url).body(body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// The root of what it issues.
    async fn root(&self) -> Vec<u8> {
        let pebble = std::fs::read(self.ca()).unwrap();
        let url = format!("https://localhost:{}/roots/0", self.management);
        client(&[&pebble]).get(url).send().await.unwrap().bytes().await.unwrap().to_vec()
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
    let mut arguments = vec!["serve", "--data-dir", data, "--http", &http, "--https", &https];
    arguments.extend(more);
    boathouse::serve::open(Arguments::parse_from(arguments).serve).unwrap()
}

fn acme_app(folder: &Path, https: u16, pebble: &Pebble) -> App {
    let directory = format!("https://localhost:{}/dir", pebble.api);
    let (bundle, resolver) = (pebble.ca(), pebble.dns.to_string());
    let bundle = bundle.to_str().unwrap();
    let more = [
        "--acme-directory",
        &directory,
        "--ca-bundle",
        bundle,
        "--resolver",
        &resolver,
        "--public-address",
        "127.0.0.1",
    ];
    open(folder, https, &more)
}

fn add_host(app: &App, name: &str, tls: TlsMode) {
    let added = app.db.write_blocking(|tx| {
        let label = name.replace('.', "-").parse().unwrap();
        let id = project::create(tx, &label, &Source::Upload)?;
        let id = deployment::create(tx, id, &"production".parse().unwrap(), DeploymentStage::Production, None)?;
        host::create(tx, id, &"web".parse().unwrap(), &name.parse().unwrap(), "/", tls, false)
    });
    added.unwrap();
    app.pokes.edge.poke();
}

fn stored(app: &App, name: &str) -> (Option<CertificateRow>, OrderRow) {
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
    let app = acme_app(folder.path(), https, &pebble);
    let running = run::start(&app).await.unwrap();
    pebble.point("elsewhere.example.org", [127, 0, 0, 9].into()).await;
    add_host(&app, "elsewhere.example.org", TlsMode::Acme);
    let problem = wait_for("the problem", async || stored(&app, "elsewhere.example.org").1.problem).await;
    assert!(
        problem.contains("A record") && problem.contains("127.0.0.9") && problem.contains("A 127.0.0.1"),
        "{problem}"
    );
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
async fn a_refused_order_waits_and_is_not_repeated_by_a_restart() {
    // Pebble validates where nobody answers.
    let pebble = Pebble::start(1).await;
    let folder = tempfile::tempdir().unwrap();
    let name = "broken.example.org";
    for start in 0..3 {
        let https = free_port();
        let app = acme_app(folder.path(), https, &pebble);
        let running = run::start(&app).await.unwrap();
        if start == 0 {
            add_host(&app, name, TlsMode::Acme);
        }
        let order =
            wait_for("the failure", async || Some(stored(&app, name).1).filter(|order| order.failures > 0)).await;
        for _ in 0..5 {
            app.pokes.certificates.poke();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(stored(&app, name).1, order, "no second order");
        assert_eq!(order.failures, 1);
        assert!(order.next_at > boathouse::clock::now());
        assert!(order.problem.unwrap().contains(name));
        running.shut_down(Duration::ZERO).await;
        app.tasks.shut_down(PATIENCE).await;
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
