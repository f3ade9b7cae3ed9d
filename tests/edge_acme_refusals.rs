//! What a CA that says no, or nothing, means for the host that asked and for all others: a CA that answers as it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boathouse::clock;
use boathouse::db::certificate::OrderRow;
use boathouse::edge::run;
use boathouse::state::App;
use boathouse_types::{ErrorKind, Host, TlsMode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::edge_acme::{Names, acme_app, add_host, look_again, stored, wait_for};
use crate::edge_support::PATIENCE;
use crate::harness::{Client, Server, TlsFront, at, free_port, upload};

/// How long the CA wants to be left alone.
const PAUSE: i64 = 7200;

/// A CA behind TLS. What it answers to an order is told by the first word of the name.
struct Ca {
    front: TlsFront,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Ca {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = TlsFront::start("localhost", listener.local_addr().unwrap()).await;
        let (seen, base) = (Arc::<Mutex<Vec<String>>>::default(), front.url());
        let remember = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, base) = (remember.clone(), base.clone());
                let service = hyper::service::service_fn(move |request| {
                    let (seen, base) = (seen.clone(), base.clone());
                    async move { Ok::<_, Infallible>(answer(request, &base, &seen).await) }
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
            }
        });
        Self { front, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How often a certificate for `name` was asked for.
    fn orders(&self, name: &str) -> usize {
        self.seen().iter().filter(|line| **line == format!("order {name}")).count()
    }

    fn app(&self, folder: &std::path::Path, names: &Names) -> App {
        acme_app(folder, free_port(), (&format!("{}/dir", self.front.url()), &self.front.ca()), names, &[])
    }
}

async fn answer(request: Request<Incoming>, base: &str, seen: &Mutex<Vec<String>>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let name = identifier(&body);
    let line = if path == "/order" { format!("order {name}") } else { path.clone() };
    seen.lock().unwrap().push(line);
    let answer = Response::builder().header("replay-nonce", "n");
    let problem = |kind: &str, detail: &str| {
        let sub = json!({"type": "x", "detail": "on\u{1b}[31m that day", "identifier": {"type": "dns", "value": name}});
        json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "subproblems": [sub]})
            .to_string()
    };
    let (answer, body) = match (path.as_str(), name.split('.').next().unwrap_or_default()) {
        ("/dir", _) => {
            let url = |path: &str| format!("{base}/{path}");
            let meta = json!({"caaIdentities": ["ca.example"]});
            let directory =
                json!({"newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order"), "meta": meta});
            (answer, directory.to_string())
        }
        ("/account", _) => (answer.status(201).header("location", format!("{base}/account/1")), "{}".to_owned()),
        ("/order", "limited") => (
            answer.status(429).header("retry-after", PAUSE.to_string()),
            problem("rateLimited", "too many\r\ncertificates"),
        ),
        ("/order", "busy") => {
            let at = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(PAUSE as u64));
            (answer.status(503).header("retry-after", at), "<html>later</html>".to_owned())
        }
        ("/order", "silent") => std::future::pending().await,
        ("/order", _) => (answer.status(403), problem("rejectedIdentifier", "not this one")),
        _ => (answer, String::new()),
    };
    answer.body(Full::from(body)).unwrap()
}

/// The name in a signed order.
fn identifier(body: &[u8]) -> String {
    let signed: Value = serde_json::from_slice(body).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap_or_default()).unwrap_or_default();
    let payload: Value = serde_json::from_slice(&payload).unwrap_or_default();
    payload["identifiers"][0]["value"].as_str().unwrap_or_default().to_owned()
}

async fn failure(app: &App, name: &str) -> OrderRow {
    wait_for("the failure", async || Some(stored(app, name).1).filter(|order| order.failures > 0)).await
}

async fn stop(app: App, running: run::Running) {
    running.shut_down(Duration::ZERO).await;
    app.tasks.shut_down(PATIENCE).await;
}

#[tokio::test]
async fn a_ca_is_left_alone_for_as_long_as_it_says_also_after_a_restart() {
    let (ca, names, folder) = (Ca::start().await, Names::start().await, tempfile::tempdir().unwrap());
    let hosts = ["limited.example.org", "busy.example.org"];
    let mut first = Vec::new();
    for start in 0..3 {
        let app = ca.app(folder.path(), &names);
        let running = run::start(&app).await.unwrap();
        for name in hosts.iter().filter(|_| start == 0) {
            add_host(&app, name, TlsMode::Acme);
            let order = failure(&app, name).await;
            let wait = (order.next_at - clock::now()) / clock::SECOND;
            assert!((PAUSE - 60..=PAUSE).contains(&wait), "{name}: {wait} s");
            first.push(order);
        }
        look_again(&app, 3).await;
        let kept: Vec<_> = hosts.iter().map(|name| stored(&app, name).1).collect();
        assert_eq!(kept, first, "nothing was tried");
        assert_eq!(hosts.map(|name| ca.orders(name)), [1, 1], "{:?}", ca.seen());
        stop(app, running).await;
    }
    assert_eq!(
        first[0].problem.as_deref(),
        Some(
            "the CA refused a certificate for limited.example.org: too many certificates (rateLimited); limited.example.org: on \
             [31m that day. Nothing to do: it is tried again once the CA allows it."
        )
    );
    assert!(first[1].problem.as_ref().unwrap().contains("<html>later</html> (HTTP 503)"), "{:?}", first[1]);
}

#[tokio::test]
async fn a_host_whose_order_hangs_delays_no_other_and_unknown_names_order_nothing() {
    let (ca, names, folder) = (Ca::start().await, Names::start().await, tempfile::tempdir().unwrap());
    let app = ca.app(folder.path(), &names);
    let running = run::start(&app).await.unwrap();
    let edge = running.addresses().1[0];
    for number in 0..100 {
        assert!(shakes_hands(edge, &format!("unknown-{number}.example.org")).await);
    }
    look_again(&app, 1).await;
    assert_eq!(ca.seen(), Vec::<String>::new(), "nobody is asked about names that are no hosts here");

    for number in 0..4 {
        let name = format!("silent.{number}.example.org");
        add_host(&app, &name, TlsMode::Acme);
        wait_for("the order", async || (ca.orders(&name) == 1).then_some(())).await;
    }
    add_host(&app, "other.example.org", TlsMode::Acme);
    let order = failure(&app, "other.example.org").await;
    assert!(order.problem.unwrap().contains("not this one (rejectedIdentifier)"));
    // Those under way are not begun a second time, and their next attempt is noted before they end.
    look_again(&app, 2).await;
    for number in 0..4 {
        let name = format!("silent.{number}.example.org");
        let order = stored(&app, &name).1;
        assert_eq!((ca.orders(&name), order.failures), (1, 0));
        assert!(order.next_at > clock::now() && order.problem.unwrap().contains("being ordered"));
    }
    stop(app, running).await;
}

/// A handshake for `name`, whatever certificate comes.
async fn shakes_hands(edge: SocketAddr, name: &str) -> bool {
    let client =
        reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).resolve(name, edge).build().unwrap();
    client.get(format!("https://{name}:{}/", edge.port())).send().await.is_ok()
}

#[tokio::test]
async fn what_dns_forbids_is_told_with_the_record_to_add_and_orders_nothing() {
    let (ca, names, folder) = (Ca::start().await, Names::start().await, tempfile::tempdir().unwrap());
    names.allow("example.org", "other-ca.example").await;
    names.allow("example.net", "ca.example").await;
    let app = ca.app(folder.path(), &names);
    let running = run::start(&app).await.unwrap();
    add_host(&app, "shop.example.org", TlsMode::Acme);
    let problem = wait_for("the problem", async || stored(&app, "shop.example.org").1.problem).await;
    let expected = "the CAA record of example.org allows \"other-ca.example\" to make certificates, not ca.example: add the record \
                    example.org. CAA 0 issue \"ca.example\"";
    assert_eq!(problem, expected);
    assert_eq!(ca.seen(), ["/dir"], "no account, no order");
    // Where the record allows it, the CA is asked.
    add_host(&app, "shop.example.net", TlsMode::Acme);
    failure(&app, "shop.example.net").await;
    assert_eq!(ca.orders("shop.example.net"), 1);
    assert_eq!(stored(&app, "shop.example.org").1.failures, 0);
    stop(app, running).await;
}

#[tokio::test]
async fn a_ca_on_the_internet_is_not_asked_about_what_it_cannot_reach() {
    let (ca, names, folder) = (Ca::start().await, Names::start().await, tempfile::tempdir().unwrap());
    // By its address it is on the internet. Nobody ever connects to it.
    names.point("ca.example.org", "9.9.9.9").await;
    let app = acme_app(folder.path(), free_port(), ("https://ca.example.org/dir", &ca.front.ca()), &names, &[]);
    let running = run::start(&app).await.unwrap();
    names.point("inside.example.org", "10.1.2.3").await;
    add_host(&app, "inside.example.org", TlsMode::Acme);
    let problem = wait_for("the problem", async || stored(&app, "inside.example.org").1.problem).await;
    assert!(problem.contains("10.1.2.3, a private address that no CA on the internet can reach"), "{problem}");
    names.point_nowhere().await;
    add_host(&app, "nowhere.example.org", TlsMode::Acme);
    let problem = wait_for("the problem", async || stored(&app, "nowhere.example.org").1.problem).await;
    assert!(problem.starts_with("nowhere.example.org has no address in DNS: add "), "{problem}");
    for name in ["inside.example.org", "nowhere.example.org"] {
        assert_eq!(stored(&app, name).1.failures, 0);
    }
    stop(app, running).await;
}

/// What the one that does not point here is told.
pub const WRONG: &str =
    "shop.example.org resolves to 127.0.0.9, this machine is 198.51.100.4: change the A record to 198.51.100.4";

/// A server with the project `shop`, whose host shop.example.org points elsewhere.
pub async fn server_of_a_wrong_name() -> (Names, Server) {
    let names = Names::start().await;
    names.point("shop.example.org", "127.0.0.9").await;
    let server = shop_server(&names, "198.51.100.4", &[("--acme-directory", "https://localhost:1/dir")]).await;
    add_to_shop(&server, "shop.example.org").await;
    (names, server)
}

/// A server at that address, with the project `shop`.
async fn shop_server(names: &Names, address: &str, more: &[(&str, &str)]) -> Server {
    let (resolver, port) = (names.address.to_string(), free_port().to_string());
    let flags = [("--resolver", &*resolver), ("--validation-port", &port), ("--public-address", address)];
    let flags = flags.iter().chain(more);
    let server = flags.fold(Server::options(), |options, (flag, value)| options.flag(flag, value)).start().await;
    server.local().create_project("shop", &upload()).await;
    server
}

fn hosts() -> String {
    format!("{}/hosts", at("shop", "production"))
}

async fn add_to_shop(server: &Server, name: &str) {
    server.local().post(&hosts(), &json!({"name": name, "component": "web"})).await.ok();
}

/// Waits until what stands in the way of a host's certificate says `words`.
async fn told(server: &Server, name: &str, words: &str) -> Host {
    wait_for("the problem", async || {
        let hosts: Vec<Host> = server.local().read(&hosts()).await;
        let found = hosts.into_iter().find(|host| host.name.as_str() == name);
        found.filter(|host| host.problem.as_ref().is_some_and(|problem| problem.contains(words)))
    })
    .await
}

#[tokio::test]
async fn a_person_has_it_tried_now_as_often_as_the_ca_forgives() {
    let (ca, names) = (Ca::start().await, Names::start().await);
    let (directory, bundle) = (format!("{}/dir", ca.front.url()), ca.front.ca());
    let more = [("--acme-directory", &*directory), ("--ca-bundle", bundle.to_str().unwrap())];
    let server = shop_server(&names, "127.0.0.1", &more).await;
    let (local, name) = (server.local(), "refused.example.org");
    let retry = async |name: &str| local.post(&format!("{}/{name}/retry", hosts()), &json!({})).await;
    add_to_shop(&server, name).await;
    for tried in 1..=5 {
        wait_for("the order", async || (ca.orders(name) == tried).then_some(())).await;
        told(&server, name, "not this one").await;
        if tried < 5 {
            retry(name).await.ok();
        }
    }
    add_to_shop(&server, "limited.example.org").await;
    told(&server, "limited.example.org", "rateLimited").await;
    for (name, problem, least, most) in
        [(name, "not this one", 1, 720), ("limited.example.org", "too many", 721, PAUSE)]
    {
        let answer = retry(name).await;
        Client::expect_error(&answer, ErrorKind::TooManyRequests, &[name, problem]);
        let rest: i64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((least..=most).contains(&rest), "{name}: {rest} s");
    }
    add_to_shop(&server, "shop.test").await;
    Client::expect_error(&retry("shop.test").await, ErrorKind::Invalid, &["shop.test", "internal"]);
    assert_eq!(retry("none.example.org").await.error().kind, ErrorKind::NotFound);
    assert_eq!((ca.orders(name), ca.orders("limited.example.org")), (5, 1), "{:?}", ca.seen());
}

#[tokio::test]
async fn what_is_wrong_and_what_to_do_is_told_by_the_api_and_the_command_line() {
    let (_names, server) = server_of_a_wrong_name().await;
    let host = told(&server, "shop.example.org", "").await;
    assert!(host.problem.as_ref().unwrap().starts_with(WRONG), "{host:?}");
    assert!(host.retry_at.unwrap() > clock::now() - 60 * clock::SECOND, "{host:?}");
    let told = server.cli(&["domain", "list", "--project", "shop"]).await.ok().stdout;
    assert!(told.contains(WRONG) && told.contains("(next attempt 20"), "{told}");
    // A look at DNS costs nothing: it may be had at any time.
    for _ in 0..7 {
        let said = server.cli(&["domain", "retry", "shop.example.org", "--project", "shop"]).await.ok().stdout;
        assert_eq!(said, "The certificate of shop.example.org is tried for now.\n");
    }
    let none = server.cli(&["domain", "retry", "none.example.org", "--project", "shop"]).await;
    assert_eq!(none.code, 6, "{none:#?}");
}
