//! Starters, really built and fetched: each counts visits in the add-on that was chosen, and shows the count.

use std::path::{Path, PathBuf};
use std::time::Duration;

use boathouse_types::{Release, Serves};
use serde_json::json;

use crate::harness::{Engine, Server, at, seconds, tar_gz, upload, wait_for};

/// Packages of several components are downloaded and compiled on two cores, beside other builds: Rust's take the longest.
const BUILD: Duration = Duration::from_secs(1800);
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where a base image is older than the catalog's usual one: what tests/images/build can make.
const ARGUMENTS: [(&str, &str); 4] = [
    ("package: fastapi", "PYTHON: '3.11'"),
    ("package: flask", "PYTHON: '3.11'"),
    ("package: django", "PYTHON: '3.11'"),
    ("package: go\n", "GO: '1.19'"),
];

/// A server that has these images to build from.
async fn server(images: &[&str]) -> Server {
    let engine = Engine::connect().await;
    for image in images {
        let found = engine.docker.inspect_image(image).await;
        assert!(found.is_ok(), "there is no image {image}: run tests/images/build, as ./tests/run does");
    }
    Server::options().flag("--ca-bundle", CERTIFICATES).start().await
}

/// Makes the code in a folder, with older base images where the usual ones are not here.
async fn generate(server: &Server, folder: &Path, parts: &[&str]) -> PathBuf {
    let into = folder.join("code");
    let mut words = vec!["new", "shop", "--into", into.to_str().unwrap()];
    words.extend(parts);
    server.cli(&words).await.ok();
    let path = into.join("boathouse.yaml");
    let mut manifest = std::fs::read_to_string(&path).unwrap();
    for (line, argument) in ARGUMENTS {
        let line = line.trim_end();
        manifest = manifest.replace(&format!("{line}\n"), &format!("{line}\n    build: {{args: {{{argument}}}}}\n"));
    }
    std::fs::write(&path, manifest).unwrap();
    into
}

async fn deploy(server: &Server, folder: &Path) -> Release {
    let local = server.local();
    let words = ["deploy", folder.to_str().unwrap(), "--project", "shop", "--create", "--detach"];
    server.cli(&words).await.ok();
    let release: Release = local.read(&format!("{}/releases/1", at("shop", "production"))).await;
    let release = local.ended_within(BUILD, &release).await;
    local.must_be_live(release).await
}

async fn visits(server: &Server, host: &str, store: &str) -> u64 {
    let page = server.visit(host, "/").await.ok().text();
    // React and Svelte write comments between the pieces of a text, Astro does not.
    let text = page.replace("<!-- -->", "");
    assert!(text.contains(&format!("counted in {store}.")), "{host}: {text}");
    let number = text.split_once("Visit number ").unwrap_or_else(|| panic!("{host}: {text}")).1;
    number.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// Each of these hosts counts on where the one before stopped: they share one store. The first visit is the first: whether they
/// do well was asked in another way.
async fn count_on(server: &Server, hosts: &[&str], store: &str) {
    let mut last = 0;
    for host in hosts.iter().chain(hosts) {
        let now = visits(server, host, store).await;
        assert_eq!(now, last + 1, "{host}");
        last = now;
    }
}

/// Lets the build of a part run its own tests, as its README says they are run.
fn tested(folder: &Path, part: &str, before: &str, tests: &str) {
    let path = folder.join(part).join("Dockerfile");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(before), "{text}");
    std::fs::write(path, text.replace(before, &format!("RUN {tests}\n{before}"))).unwrap();
}

#[tokio::test]
async fn hono_flask_and_go_count_in_redis_beside_two_sites() {
    let server = server(&["node:22-slim", "python:3.11-slim", "golang:1.19", "redis:7"]).await;
    let home = tempfile::tempdir().unwrap();
    let parts = ["-c", "hono", "-c", "flask", "-c", "go", "-c", "react-vite", "-c", "pages=static", "-a", "redis#7"];
    let folder = generate(&server, home.path(), &parts).await;
    tested(&folder, "go", "RUN CGO_ENABLED=0 go build", "CGO_ENABLED=0 go test ./...");
    let release = deploy(&server, &folder).await;
    let files = release.components.iter().filter(|component| component.serves == Serves::Files).count();
    assert_eq!(files, 2, "{:?}", release.components);
    let hosts = ["shop.localhost", "flask-production-shop.localhost", "go-production-shop.localhost"];
    count_on(&server, &hosts, "Redis").await;
    let page = server.visit("pages-production-shop.localhost", "/").await.ok();
    assert!(page.text().contains("<h1>shop</h1>"), "{}", page.text());
    let page = server.visit("react-vite-production-shop.localhost", "/any/route").await.ok().text();
    assert!(page.contains("<div id=\"root\">") && page.contains("/assets/"), "{page}");
}

#[tokio::test]
async fn node_astro_and_fastapi_count_in_postgresql() {
    let server = server(&["node:22-slim", "python:3.11-slim", "postgres:15"]).await;
    let home = tempfile::tempdir().unwrap();
    let parts = ["-c", "nodejs", "-c", "astro", "-c", "api=fastapi", "-a", "db=postgres#15"];
    let folder = generate(&server, home.path(), &parts).await;
    deploy(&server, &folder).await;
    let hosts = ["shop.localhost", "astro-production-shop.localhost", "api-production-shop.localhost"];
    count_on(&server, &hosts, "PostgreSQL").await;
}

#[tokio::test]
async fn django_counts_in_mariadb() {
    let server = server(&["python:3.11-slim", "mariadb:10.11"]).await;
    let home = tempfile::tempdir().unwrap();
    let folder = generate(&server, home.path(), &["-c", "django", "-a", "mariadb#10.11"]).await;
    deploy(&server, &folder).await;
    count_on(&server, &["shop.localhost"], "MariaDB").await;
}

#[tokio::test]
async fn hono_and_flask_count_in_mariadb() {
    let server = server(&["node:22-slim", "python:3.11-slim", "mariadb:10.11"]).await;
    let home = tempfile::tempdir().unwrap();
    let folder = generate(&server, home.path(), &["-c", "hono", "-c", "flask", "-a", "mariadb#10.11"]).await;
    deploy(&server, &folder).await;
    count_on(&server, &["shop.localhost", "flask-production-shop.localhost"], "MariaDB").await;
}

/// What is sent by the page's button is received by the program that sent it, which shows how many there were.
async fn sends_and_receives(server: &Server, broker: &str) {
    let visitor = server.visitor().await;
    for sent in 1..=2 {
        let answer = visitor.post(server.url("shop.localhost", "/messages")).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let says = format!("Messages received from {broker}: {sent}.");
        wait_for(seconds(30), &says, || async {
            server.visit("shop.localhost", "/").await.text().contains(&says).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn node_speaks_over_nats() {
    let server = server(&["node:22-slim", "nats:2-alpine"]).await;
    let home = tempfile::tempdir().unwrap();
    let folder = generate(&server, home.path(), &["-c", "nodejs", "-a", "nats"]).await;
    tested(&folder, "nodejs", "RUN npm prune", "npm test");
    deploy(&server, &folder).await;
    count_on(&server, &["shop.localhost"], "memory").await;
    sends_and_receives(&server, "NATS").await;
}

#[tokio::test]
async fn fastapi_speaks_over_rabbitmq_and_counts_in_redis() {
    let server = server(&["python:3.11-slim", "rabbitmq:3", "redis:7"]).await;
    let home = tempfile::tempdir().unwrap();
    let parts = ["-c", "fastapi", "-a", "rabbitmq#3", "-a", "redis#7"];
    let folder = generate(&server, home.path(), &parts).await;
    deploy(&server, &folder).await;
    count_on(&server, &["shop.localhost"], "Redis").await;
    sends_and_receives(&server, "RabbitMQ").await;
}

/// What a part sends over a broker it receives; its own tests run in its build.
async fn speaks(part: &str, image: &str, build: &str, tests: &str, broker: (&str, &str)) {
    let server = server(&[image, "nats:2-alpine", "rabbitmq:3"]).await;
    let home = tempfile::tempdir().unwrap();
    let folder = generate(&server, home.path(), &["-c", part, "-a", broker.0]).await;
    tested(&folder, part, build, tests);
    // The brokers' clients want a newer Go than the usual run has.
    let manifest = folder.join("boathouse.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("GO: '1.19'", "GO: '1.27'")).unwrap();
    deploy(&server, &folder).await;
    count_on(&server, &["shop.localhost"], "memory").await;
    sends_and_receives(&server, broker.1).await;
}

#[tokio::test]
#[ignore = "needs a proxy of Go modules, and golang:1.27"]
async fn go_speaks_over_nats_and_over_rabbitmq() {
    for broker in [("nats", "NATS"), ("rabbitmq#3", "RabbitMQ")] {
        speaks("go", "golang:1.27", "RUN CGO_ENABLED=0 go build", "CGO_ENABLED=0 go test -mod=mod ./...", broker).await;
    }
}

#[tokio::test]
#[ignore = "needs an image of its own, and minutes: tests/images/build rust"]
async fn rust_speaks_over_nats_and_over_rabbitmq() {
    for broker in [("nats", "NATS"), ("rabbitmq#3", "RabbitMQ")] {
        speaks("rust", "rust:1-slim-bookworm", "RUN if [ -f Cargo.lock ]", "cargo test --release", broker).await;
    }
}

/// Images that the normal run does without, as the starters name them.
const MORE: [&str; 5] =
    ["node:22-slim", "oven/bun:1-slim", "denoland/deno:debian-2.9.6", "rust:1-slim-bookworm", "postgres:15"];

#[tokio::test]
#[ignore = "needs minutes"]
async fn next_and_svelte_count_in_postgresql_beside_a_site_of_nue() {
    let server = server(&["node:22-slim", "postgres:15"]).await;
    let home = tempfile::tempdir().unwrap();
    let parts = ["-c", "nextjs", "-c", "sveltekit", "-c", "nue", "-a", "postgres#15"];
    let folder = generate(&server, home.path(), &parts).await;
    deploy(&server, &folder).await;
    count_on(&server, &["shop.localhost", "sveltekit-production-shop.localhost"], "PostgreSQL").await;
    let site = "nue-production-shop.localhost";
    assert!(server.visit(site, "/").await.ok().text().contains("<h1>shop</h1>"));
    for path in ["/Dockerfile", "/Dockerfile.dev", "/README.md", "/test/site.test.js"] {
        assert_eq!(server.visit(site, path).await.status, 404, "{path} is public");
    }
}

#[tokio::test]
#[ignore = "needs images of its own, and minutes: tests/images/build bun deno rust"]
async fn bun_deno_and_rust_count_in_postgresql() {
    let server = server(&MORE).await;
    let home = tempfile::tempdir().unwrap();
    let parts = ["-c", "bun", "-c", "deno", "-c", "rust", "-a", "postgres#15"];
    let folder = generate(&server, home.path(), &parts).await;
    deploy(&server, &folder).await;
    let hosts = ["shop.localhost", "deno-production-shop.localhost", "rust-production-shop.localhost"];
    count_on(&server, &hosts, "PostgreSQL").await;
}

#[tokio::test]
#[ignore = "needs images of its own, and minutes: tests/images/build bun deno"]
async fn next_svelte_bun_and_deno_reload_in_development() {
    let server = server(&MORE).await;
    let (local, home) = (server.local(), tempfile::tempdir().unwrap());
    let parts = ["-c", "nextjs", "-c", "sveltekit", "-c", "bun", "-c", "deno", "-a", "postgres#15"];
    let folder = generate(&server, home.path(), &parts).await;
    local.create_project("shop", &upload()).await;
    local.post("/api/v1/projects/shop/deployments", &json!({ "name": "dev", "stage": "development" })).await.ok();
    server.cli(&["deploy", folder.to_str().unwrap(), "-p", "shop", "-d", "dev", "--detach"]).await.ok();
    let release: Release = local.read(&format!("{}/releases/1", at("shop", "dev"))).await;
    let release = local.ended_within(BUILD, &release).await;
    local.must_be_live(release).await;
    let names = ["nextjs", "sveltekit", "bun", "deno"];
    let hosts = names.map(|name| format!("{name}-dev-shop.localhost"));
    count_on(&server, &hosts.each_ref().map(String::as_str), "PostgreSQL").await;
    let text = |path: &str, says: &str| {
        (path.to_owned(), format!("export function {says} {{ return 'Edited.'; }}\n").into_bytes())
    };
    let edited = tar_gz(&[
        text("nextjs/lib/sentence.js", "sentence()"),
        text("sveltekit/src/lib/sentence.js", "sentence()"),
        text("bun/src/page.js", "page()"),
        text("deno/src/page.js", "page()"),
    ]);
    let code = format!("{}/code", at("shop", "dev"));
    local.send(http::Method::PUT, &code, Some(("application/gzip", edited))).await.ok();
    for host in &hosts {
        wait_for(seconds(30), &format!("{host} shows the edit"), || async {
            server.visit(host, "/").await.text().contains("Edited.").then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs an image of its own: tests/images/build ghost"]
async fn ghost_has_its_tables_before_it_is_live() {
    let server = server(&["ghost:6", "mariadb:10.11"]).await;
    let home = tempfile::tempdir().unwrap();
    let manifest =
        "components: [{identifier: blog, package: ghost}]\naddons: [{identifier: mariadb, package: 'mariadb#10.11'}]\n";
    std::fs::write(home.path().join("boathouse.yaml"), manifest).unwrap();
    deploy(&server, home.path()).await;
    let site = server.visit("shop.localhost", "/ghost/api/admin/site/").await.ok().text();
    assert!(site.contains("\"title\":\"Ghost\""), "{site}");
    server.visit("shop.localhost", "/").await.ok();
}

/// What Analyze proposes is written into a folder and deployed as it is.
async fn analyzed(server: &Server, files: &[(&str, &str)]) -> Release {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let folder = home.path().to_str().unwrap();
    let shown = server.cli(&["analyze", folder]).await.ok();
    assert!(!home.path().join("boathouse.yaml").exists(), "nothing is written without --write: {}", shown.stdout);
    server.cli(&["analyze", folder, "--write"]).await.ok();
    deploy(server, home.path()).await
}

#[tokio::test]
async fn what_analyze_proposes_for_npm_is_built_and_fetched() {
    let server = server(&["node:22-slim"]).await;
    let package = r#"{"name": "x", "version": "1.0.0", "scripts": {"start": "node server.js"}}"#;
    let lock = r#"{"name": "x", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"name": "x", "version": "1.0.0"}}}"#;
    let code = "require('http').createServer((q, a) => a.end('from npm')).listen(process.env.PORT || 4000)";
    analyzed(&server, &[("package.json", package), ("package-lock.json", lock), ("server.js", code)]).await;
    assert_eq!(server.visit("shop.localhost", "/").await.ok().text(), "from npm");
}

#[tokio::test]
async fn what_analyze_proposes_for_pip_is_built_and_fetched() {
    let server = server(&["python:3.11-slim"]).await;
    let code =
        "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get(\"/\")\ndef home():\n    return \"from pip\"\n";
    analyzed(&server, &[("requirements.txt", "flask==3.1.3\n"), (".python-version", "3.11\n"), ("app.py", code)]).await;
    assert_eq!(server.visit("shop.localhost", "/").await.ok().text(), "from pip");
}

#[tokio::test]
async fn what_analyze_proposes_for_go_and_a_site_is_built_and_fetched() {
    let server = server(&["golang:1.19"]).await;
    let code = "package main\n\nimport \"net/http\"\n\nfunc main() {\n\thttp.ListenAndServe(\":9000\", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {\n\t\tw.Write([]byte(\"from go\"))\n\t}))\n}\n";
    let files = [("api/go.mod", "module api\n\ngo 1.19\n"), ("api/main.go", code), ("site/index.html", "from a file")];
    let release = analyzed(&server, &files).await;
    assert_eq!(release.components.len(), 2);
    assert_eq!(server.visit("shop.localhost", "/").await.ok().text(), "from go");
    assert_eq!(server.visit("site-production-shop.localhost", "/").await.ok().text(), "from a file");
}

const NODE: &str = "require('http').createServer((q, a) => a.end('from HERE')).listen(process.env.PORT || 4000)";
const PYTHON: &str = "import http.server\nimport os\n\n\nclass Page(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'from HERE')\n\n\nhttp.server.HTTPServer(('', int(os.environ['PORT'])), Page).serve_forever()\n";
const RUST: &str = "use std::io::{Read, Write};\n\nfn main() {\n    let listener = std::net::TcpListener::bind(\"0.0.0.0:3030\").unwrap();\n    for stream in listener.incoming() {\n        let mut stream = stream.unwrap();\n        _ = stream.read(&mut [0; 4096]);\n        _ = stream.write_all(b\"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\n\\r\\nfrom HERE\");\n    }\n}\n";
const PACKAGE: &str = r#"{"name": "x", "version": "1.0.0", "scripts": {"start": "node server.js"}}"#;
const ELEVENTY: &str = r#"{"scripts": {"build": "eleventy"}, "devDependencies": {"@11ty/eleventy": "^3"}}"#;
const CARGO: &str = "[package]\nname = \"page\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
const CARGO_LOCK: &str = "version = 4\n\n[[package]]\nname = \"page\"\nversion = \"0.1.0\"\n";
const UV: &str = "[project]\nname = \"page\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\n";
const UV_LOCK: &str = "version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n\n[[package]]\nname = \"page\"\nversion = \"0.1.0\"\nsource = { virtual = \".\" }\n";
const POETRY: &str = "[project]\nname = \"page\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\n\n[tool.poetry]\npackage-mode = false\n";
const POETRY_LOCK: &str = "package = []\n\n[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.11\"\ncontent-hash = \"dc7d249c43736b4dc5c67d29d4918f1ddf6778b40ca2b95bc8536b20175944eb\"\n";
const PNPM_LOCK: &str = "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n";
const BERRY_LOCK: &str = "# This file is generated by running \"yarn install\" inside your project.\n# Manual changes might be lost - proceed with caution!\n\n__metadata:\n  version: 10\n  cacheKey: 10c0\n\n\"x@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"x@workspace:.\"\n  languageName: unknown\n  linkType: soft\n";

/// Folders with an application each, whose page says where it is from. Lock files are as their tools write them. None is called `yarn`: what
/// every part is told of the others, `YARN_ENDPOINT`, Yarn would take for a setting.
const MANAGERS: [(&str, &[(&str, &str)]); 8] = [
    ("berry", &[("package.json", PACKAGE), ("yarn.lock", BERRY_LOCK), ("server.js", NODE)]),
    ("cargo", &[("Cargo.toml", CARGO), ("Cargo.lock", CARGO_LOCK), ("src/main.rs", RUST)]),
    ("eleventy", &[("package.json", ELEVENTY), ("index.html", "from HERE")]),
    ("hugo", &[("hugo.toml", "title = 'x'\n"), ("content/_index.md", ""), ("layouts/index.html", "from HERE")]),
    ("pnpm", &[("package.json", PACKAGE), ("pnpm-lock.yaml", PNPM_LOCK), ("server.js", NODE)]),
    (
        "poetry",
        &[("pyproject.toml", POETRY), ("poetry.lock", POETRY_LOCK), (".python-version", "3.11"), ("main.py", PYTHON)],
    ),
    ("uv", &[("pyproject.toml", UV), ("uv.lock", UV_LOCK), (".python-version", "3.11"), ("main.py", PYTHON)]),
    ("classic", &[("package.json", PACKAGE), ("yarn.lock", "# yarn lockfile v1\n\n\n"), ("server.js", NODE)]),
];

#[tokio::test]
#[ignore = "needs an image of its own, and minutes: tests/images/build rust"]
async fn what_analyze_proposes_for_other_package_managers_is_built_and_fetched() {
    let server = server(&["node:22-slim", "python:3.11-slim", "rust:1-slim-bookworm"]).await;
    let of_folder = |(name, files): &(&str, &[(&str, &str)])| {
        let file = |(path, text): &(&str, &str)| (format!("{name}/{path}"), text.replace("HERE", name));
        files.iter().map(file).collect::<Vec<_>>()
    };
    let files: Vec<(String, String)> = MANAGERS.iter().flat_map(of_folder).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let release = analyzed(&server, &files).await;
    assert_eq!(release.components.len(), MANAGERS.len());
    for (place, (name, _)) in MANAGERS.iter().enumerate() {
        let host = if place == 0 { "shop.localhost".to_owned() } else { format!("{name}-production-shop.localhost") };
        let page = server.visit(&host, "/").await.ok().text();
        assert!(page.contains(&format!("from {name}")), "{name}: {page}");
    }
}
