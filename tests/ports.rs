//! A container that listens on two ports, and hosts that lead to each of them.

use boathouse_types::{ErrorKind, Host};
use serde_json::json;

use crate::harness::{Client, Server, at, tar_gz, upload};

const TWO: &str = r#"
import http.server, threading
def serve(port):
    class H(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = str(port).encode()
            self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
        def log_message(self, *a): pass
    http.server.ThreadingHTTPServer(("0.0.0.0", port), H).serve_forever()
threading.Thread(target=serve, args=(9090,), daemon=True).start()
serve(8080)
"#;
const DOCKERFILE: &str = "FROM python:3.11-slim\nCOPY app.py /app.py\nCMD [\"python3\", \"/app.py\"]\n";
const MANIFEST: &str = "components:
  - identifier: web
    folder: /
    hosts: [{identifier: web, port: 8080}, {identifier: admin, port: 9090}]
  - {identifier: docs, static: docs, folder: /}
";

#[tokio::test]
async fn hosts_of_the_manifest_and_of_a_user_lead_to_the_port_that_they_name() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let files =
        [("boathouse.yaml", MANIFEST), ("Dockerfile", DOCKERFILE), ("app.py", TWO), ("docs/index.html", "docs")];
    local.deploy_archive("shop", tar_gz(&files)).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "8080");
    assert_eq!(server.visit("admin-shop.localhost", "/").await.text(), "9090");

    let add = |name: &'static str, more: &'static [&'static str]| {
        let words = ["domain", "add", name, "--component", "web", "-p", "shop"];
        words.into_iter().chain(more.iter().copied()).collect::<Vec<_>>()
    };
    server.cli(&add("own.localhost", &[])).await.ok();
    server.cli(&add("metrics.localhost", &["--port", "9090"])).await.ok();
    assert_eq!(server.visit("own.localhost", "/").await.text(), "8080");
    assert_eq!(server.visit("metrics.localhost", "/").await.text(), "9090");
    let listed = server.cli(&["domain", "list", "-p", "shop"]).await.ok();
    assert!(listed.stdout.contains("web:9090"), "{}", listed.stdout);
    let hosts: Vec<Host> = local.read(&format!("{}/hosts", at("shop", "production"))).await;
    let port = |name: &str| hosts.iter().find(|host| host.name.as_str() == name).unwrap().port;
    assert_eq!((port("own.localhost"), port("metrics.localhost")), (None, Some(9090)));

    // The next release leaves them as they are.
    local.deploy_archive("shop", tar_gz(&files)).await;
    assert_eq!(server.visit("metrics.localhost", "/").await.text(), "9090");
    for (component, port, words) in [("docs", 9090, "served as files"), ("web", 0, "0 is no port")] {
        let new = json!({"name": "bad.localhost", "component": component, "port": port});
        let answer = local.post(&format!("{}/hosts", at("shop", "production")), &new).await;
        Client::expect_error(&answer, ErrorKind::Invalid, &[words]);
    }
}
