//! Go and Rust: one program in a small image.

use boathouse_types::Topic;

use super::app::App;
use super::folder::{Folder, number_after, version};

const PORT: u16 = 8080;

/// A folder with a go.mod or a Cargo.toml.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    go(folder).or_else(|| rust(folder))
}

fn go(folder: &Folder<'_>) -> Option<App> {
    let module = folder.text("go.mod")?;
    let mut app = App::of(folder, "Go");
    let required =
        module.lines().filter_map(|line| line.trim().trim_start_matches("require ").split_whitespace().next());
    // The module of a second version ends in /v2: the service is the same.
    let names: Vec<String> = required.map(unversioned).collect();
    app.needs_of(folder, "go.mod", names.iter().map(String::as_str));
    let tag = module.lines().find_map(|line| version(line.strip_prefix("go ")?, 2)).unwrap_or_else(|| "1".to_owned());
    app.found(Topic::Language, format!("Go {tag}"), folder, "go.mod", format!("Go {tag}"));
    app.found(Topic::PackageManager, "Go modules", folder, "go.mod", format!("Go {tag}"));
    if folder.has("go.sum") {
        app.found(Topic::LockFile, "go.sum", folder, "go.sum", "pins the modules");
    }
    let is_main =
        |name: &&str| folder.text(name).is_some_and(|text| text.lines().any(|line| line.trim() == "package main"));
    let own = folder.files().filter(|name| !name.contains('/') && name.ends_with(".go") && !name.ends_with("_test.go"));
    let mut mains: Vec<String> = own.filter(is_main).take(1).map(|_| ".".to_owned()).collect();
    if mains.is_empty() {
        let commands = folder.files().filter(|name| name.starts_with("cmd/") && name.ends_with("/main.go"));
        mains = commands.map(|name| format!("./{}", name.trim_end_matches("/main.go"))).collect();
    }
    app.runs = !mains.is_empty();
    if mains.len() > 1 {
        app.warn(format!("there are several programs, the first is built: {}", mains.join(", ")));
    }
    let main = mains.into_iter().next().unwrap_or_else(|| ".".to_owned());
    app.found(Topic::Start, format!("go build {main}"), folder, "go.mod", format!("the program is {main}"));
    port(folder, &mut app, ".go");
    let sums = if folder.has("go.sum") { "go.mod go.sum" } else { "go.mod" };
    let vendored = folder.has("vendor/modules.txt");
    let download = if vendored { String::new() } else { format!("COPY {sums} ./\nRUN go mod download\n") };
    app.ignore = ".git\n.env\n.env.*\n";
    app.dockerfile = Some(format!(
        "FROM golang:{tag} AS build\nWORKDIR /src\n{download}COPY . .\nRUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /server {main}\n\n\
         FROM scratch\nCOPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\nCOPY --from=build /server /server\nUSER 10001\nENV PORT={0}\nEXPOSE {0}\nENTRYPOINT [\"/server\"]\n",
        app.port.unwrap_or(PORT)
    ));
    Some(app)
}

fn unversioned(module: &str) -> String {
    let (path, last) = module.rsplit_once('/').unwrap_or(("", module));
    let is_version =
        last.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    if is_version { path.to_owned() } else { module.to_owned() }
}

fn rust(folder: &Folder<'_>) -> Option<App> {
    let manifest = folder.text("Cargo.toml")?;
    let mut app = App::of(folder, "Rust");
    let section = |name: &str| -> Vec<&str> {
        let mut lines = manifest.lines().skip_while(|line| line.trim() != name).skip(1);
        lines.by_ref().take_while(|line| !line.starts_with('[')).collect()
    };
    let value = |lines: &[&str], key: &str| {
        let line = lines.iter().find(|line| line.trim_start().starts_with(key) && line.contains('='))?;
        Some(line.split_once('=')?.1.trim().trim_matches('"').to_owned())
    };
    let name = value(&section("[[bin]]"), "name").or_else(|| value(&section("[package]"), "name"))?;
    app.runs = folder.has("src/main.rs") || manifest.contains("[[bin]]");
    let fact = format!("the program is {name}");
    app.found(Topic::Language, "Rust", folder, "Cargo.toml", fact.clone());
    app.found(Topic::PackageManager, "Cargo", folder, "Cargo.toml", fact.clone());
    app.found(Topic::Start, name.as_str(), folder, "Cargo.toml", fact);
    if folder.has("Cargo.lock") {
        app.found(Topic::LockFile, "Cargo.lock", folder, "Cargo.lock", "pins the crates");
    }
    let dependencies = section("[dependencies]");
    let names: Vec<&str> =
        dependencies.iter().filter_map(|line| line.split(['=', '.']).next()).map(str::trim).collect();
    app.needs_of(folder, "Cargo.toml", names.into_iter());
    for (feature, package) in [("\"postgres\"", "tokio-postgres"), ("\"mysql\"", "mysql_async")] {
        if dependencies.iter().any(|line| line.starts_with("sqlx") && line.contains(feature)) {
            app.needs_of(folder, "Cargo.toml", std::iter::once(package));
        }
    }
    port(folder, &mut app, ".rs");
    let locked = if folder.has("Cargo.lock") { " --locked" } else { "" };
    app.ignore = ".git\ntarget\n.env\n.env.*\n";
    app.dockerfile = Some(format!(
        "FROM rust:1-slim-bookworm AS build\nWORKDIR /src\nCOPY . .\nRUN cargo build --release{locked} --bin {name}\n\n\
         FROM debian:bookworm-slim\nRUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*\n\
         COPY --from=build /src/target/release/{name} /usr/local/bin/server\nENV PORT={0}\nUSER nobody\nEXPOSE {0}\nCMD [\"server\"]\n",
        app.port.unwrap_or(PORT)
    ));
    Some(app)
}

fn port(folder: &Folder<'_>, app: &mut App, ending: &str) {
    const MARKS: [&str; 4] = ["\":", "0.0.0.0:", "127.0.0.1:", "PORT\") ?? "];
    let mut code: Vec<&str> = folder.files().filter(|name| name.ends_with(ending) && !name.contains("test")).collect();
    code.sort_by_key(|name| (name.split('/').count(), *name));
    let found = code.into_iter().find_map(|name| Some((name, number_after(&folder.text(name)?, &MARKS)?)));
    match found {
        Some((file, number)) => {
            app.port = Some(number);
            app.found(Topic::Port, number.to_string(), folder, file, format!("listens on {number}"));
        }
        None => {
            app.port = Some(PORT);
            app.usually(Topic::Port, PORT.to_string());
        }
    }
}
