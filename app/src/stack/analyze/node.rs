//! JavaScript and TypeScript on Node.js or Bun: servers, and applications that become files.

use boathouse_types::Topic;
use serde_json::Value;

use super::app::App;
use super::folder::{Folder, number_after, version};
use super::needs::Need;
use super::node_packages::{Install, Manager, dependencies};

const NODE: &str = "22";
const IGNORE: &str = ".git\nnode_modules\n.env\n.env.*\n";
const PORT: u16 = 3000;

/// A framework: the package that tells, its name, and what its build makes.
struct Framework {
    package: &'static str,
    name: &'static str,
    makes: Makes,
}

enum Makes {
    /// Files in this folder.
    Files { folder: &'static str, spa: bool },
    /// A server that this command starts.
    Server { command: &'static [&'static str], port: u16 },
    /// A server that the script `start` starts.
    Script { port: u16 },
}

/// More special before more general: a SvelteKit application depends on Vite as well.
const FRAMEWORKS: [Framework; 22] = [
    Framework { package: "next", name: "Next.js", makes: Makes::Script { port: 3000 } },
    Framework {
        package: "nuxt",
        name: "Nuxt",
        makes: Makes::Server { command: &["node", ".output/server/index.mjs"], port: 3000 },
    },
    Framework {
        package: "@sveltejs/adapter-static",
        name: "SvelteKit",
        makes: Makes::Files { folder: "build", spa: false },
    },
    Framework {
        package: "@sveltejs/kit",
        name: "SvelteKit",
        makes: Makes::Server { command: &["node", "build"], port: 3000 },
    },
    Framework {
        package: "@astrojs/node",
        name: "Astro",
        makes: Makes::Server { command: &["node", "dist/server/entry.mjs"], port: 4321 },
    },
    Framework { package: "astro", name: "Astro", makes: Makes::Files { folder: "dist", spa: false } },
    Framework { package: "@remix-run/serve", name: "Remix", makes: Makes::Script { port: 3000 } },
    Framework { package: "@react-router/serve", name: "React Router", makes: Makes::Script { port: 3000 } },
    Framework {
        package: "@nestjs/core",
        name: "NestJS",
        makes: Makes::Server { command: &["node", "dist/main"], port: 3000 },
    },
    Framework { package: "gatsby", name: "Gatsby", makes: Makes::Files { folder: "public", spa: false } },
    Framework { package: "@docusaurus/core", name: "Docusaurus", makes: Makes::Files { folder: "build", spa: false } },
    Framework { package: "@11ty/eleventy", name: "Eleventy", makes: Makes::Files { folder: "_site", spa: false } },
    Framework {
        package: "react-scripts",
        name: "Create React App",
        makes: Makes::Files { folder: "build", spa: true },
    },
    Framework { package: "@vue/cli-service", name: "Vue CLI", makes: Makes::Files { folder: "dist", spa: true } },
    Framework { package: "nuekit", name: "Nue", makes: Makes::Files { folder: ".dist", spa: false } },
    Framework { package: "hono", name: "Hono", makes: Makes::Script { port: 3000 } },
    Framework { package: "express", name: "Express", makes: Makes::Script { port: 3000 } },
    Framework { package: "fastify", name: "Fastify", makes: Makes::Script { port: 3000 } },
    Framework { package: "koa", name: "Koa", makes: Makes::Script { port: 3000 } },
    Framework { package: "@angular/core", name: "Angular", makes: Makes::Files { folder: "dist", spa: true } },
    Framework { package: "vite", name: "Vite", makes: Makes::Files { folder: "dist", spa: true } },
    Framework { package: "parcel", name: "Parcel", makes: Makes::Files { folder: "dist", spa: true } },
];

/// A folder with a package.json.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    let package = folder.json("package.json")?;
    let packages = dependencies(&package);
    let framework = FRAMEWORKS.iter().find(|framework| packages.iter().any(|name| name == framework.package));
    let mut app = App::of(folder, framework.map_or("Node.js", |framework| framework.name));
    if folder.has("tsconfig.json") {
        app.found(Topic::Language, "TypeScript", folder, "tsconfig.json", "is written in TypeScript");
    } else {
        app.found(Topic::Language, "JavaScript", folder, "package.json", "is a package of JavaScript");
    }
    if let Some(framework) = framework {
        let fact = format!("{}: {}", framework.package, framework.name);
        app.found(Topic::Framework, framework.name, folder, "package.json", fact);
    }
    // In a workspace one lock file at the root pins the packages of all.
    let (root, own) = (folder.to_root(), Install::of(folder, &package));
    let of_root = root.json("package.json").map(|package| Install::of(&root, &package));
    app.from_root = own.lock.is_none() && !folder.path.is_empty() && of_root.as_ref().is_some_and(|i| i.lock.is_some());
    let (home, install) = if app.from_root { (&root, of_root.unwrap_or(own)) } else { (folder, own) };
    match install.lock {
        Some(lock) => {
            let fact = format!("packages are installed by {}", install.name());
            app.found(Topic::PackageManager, install.name(), home, lock, fact.clone());
            app.found(Topic::LockFile, lock, home, lock, fact);
        }
        None => {
            app.usually(Topic::PackageManager, install.name());
            app.warn(format!("no lock file: {} installs the newest versions at every build", install.name()));
        }
    }
    app.needs_of(folder, "package.json", packages.iter().map(String::as_str));
    prisma(folder, &mut app);
    let made = makes(folder, &package, framework, &mut app);
    app.runs = made.is_some();
    let made = made.unwrap_or(Made::Server { command: install.run("start"), port: PORT });
    app.ignore = IGNORE;
    let node = node_version(folder, &package, &mut app);
    app.dockerfile = Some(text(folder, &package, &install, &node, &mut app, &made));
    Some(app)
}

enum Made {
    Files(String),
    Server { command: Vec<String>, port: u16 },
}

/// What comes out of it; `None` where nothing starts it.
fn makes(folder: &Folder<'_>, package: &Value, framework: Option<&Framework>, app: &mut App) -> Option<Made> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let start = package["scripts"]["start"].as_str();
    match framework.map(|framework| &framework.makes) {
        Some(Makes::Files { folder: made, spa }) => {
            app.spa = *spa;
            Some(Made::Files(output(folder, app, made)))
        }
        Some(Makes::Server { command, port }) => Some(Made::Server { command: words(command), port: *port }),
        Some(Makes::Script { port }) if app.name == "Next.js" => {
            if next_exports(folder) {
                return Some(Made::Files("out".to_owned()));
            }
            Some(Made::Server { command: words(&["npx", "next", "start", "--hostname", "0.0.0.0"]), port: *port })
        }
        Some(Makes::Script { port }) => server(folder, package, start, app, *port),
        None => server(folder, package, start, app, PORT),
    }
}

fn next_exports(folder: &Folder<'_>) -> bool {
    let configs = ["next.config.js", "next.config.mjs", "next.config.ts"];
    let text = folder.first(&configs).and_then(|name| folder.text(name)).unwrap_or_default();
    text.replace(['"', ' '], "'").contains("output:''export'")
}

/// Where the build's files come out: what Angular's own configuration says, else the framework's usual folder.
fn output(folder: &Folder<'_>, app: &App, usual: &str) -> String {
    let angular = folder.json("angular.json").filter(|_| app.name == "Angular");
    let project = angular.and_then(|json| json["projects"].as_object().and_then(|all| all.keys().next().cloned()));
    project.map_or_else(|| usual.to_owned(), |project| format!("dist/{project}/browser"))
}

fn server(folder: &Folder<'_>, package: &Value, start: Option<&str>, app: &mut App, usual: u16) -> Option<Made> {
    let entries =
        ["server.js", "index.js", "app.js", "main.js", "src/index.js", "src/server.js", "index.mjs", "src/index.mjs"];
    let main = package["main"].as_str().filter(|main| folder.has(main)).map(str::to_owned);
    let entry = main.or_else(|| folder.first(&entries).map(str::to_owned));
    let started = start.and_then(|start| start.split_whitespace().find(|word| folder.has(word))).map(str::to_owned);
    let port = started.as_ref().or(entry.as_ref()).and_then(|file| {
        let port = number_after(&folder.text(file)?, &["PORT ??", "PORT ||", "PORT, ", "listen(", "port:"])?;
        let fact = format!("listens on {port} where PORT is not set");
        app.found(Topic::Port, port.to_string(), folder, file, fact);
        Some(port)
    });
    let port = port.unwrap_or(usual);
    if let Some(start) = start {
        app.found(Topic::Start, start, folder, "package.json", format!("starts with `{start}`"));
        return Some(Made::Server { command: Vec::new(), port });
    }
    let entry = entry?;
    let fact = "is the server: package.json has no script `start`";
    app.found(Topic::Start, format!("node {entry}"), folder, &entry, fact);
    Some(Made::Server { command: vec!["node".to_owned(), entry], port })
}

fn prisma(folder: &Folder<'_>, app: &mut App) {
    let Some(text) = folder.text("prisma/schema.prisma") else { return };
    let need = [("\"postgresql\"", Need::Postgres), ("\"mysql\"", Need::Mariadb), ("\"mongodb\"", Need::Mongodb)];
    if let Some((_, need)) = need.into_iter().find(|(provider, _)| text.contains(provider)) {
        app.needs.insert(need);
        let fact = format!("uses {}", need.package());
        app.found(Topic::Service, need.package(), folder, "prisma/schema.prisma", fact);
    }
}

fn node_version(folder: &Folder<'_>, package: &Value, app: &mut App) -> String {
    let files = [".nvmrc", ".node-version"];
    let of_file = folder.first(&files).and_then(|name| Some((name, version(&folder.text(name)?, 1)?)));
    let of_field = || version(package["engines"]["node"].as_str()?, 1).map(|major| ("package.json", major));
    match of_file.or_else(of_field) {
        Some((file, major)) => {
            app.saw(folder, file, format!("Node.js {major}"));
            major
        }
        None => NODE.to_owned(),
    }
}

fn text(folder: &Folder<'_>, package: &Value, install: &Install, node: &str, app: &mut App, made: &Made) -> String {
    let has_build = package["scripts"]["build"].is_string();
    let image = install.image(node);
    let place = if app.from_root { format!("/app/{}", folder.path) } else { "/app".to_owned() };
    let copy = if app.from_root {
        // Every package of the workspace is needed for the lock file to fit.
        "COPY . .\n".to_owned()
    } else {
        format!("COPY {} ./\n", install.files(folder).join(" "))
    };
    let rest = if app.from_root { format!("WORKDIR {place}\n") } else { "COPY . .\n".to_owned() };
    let build = if has_build { format!("RUN {}\n", install.run("build").join(" ")) } else { String::new() };
    let built = format!("WORKDIR /app\n{}{copy}RUN {}\n{rest}{build}", install.settings(), install.line());
    match made {
        Made::Files(made) => {
            if !has_build {
                app.warn("package.json has no script `build`");
            }
            app.files = Some(format!("{place}/{made}"));
            app.usually(Topic::Files, made.as_str());
            format!("FROM {image}\n{built}")
        }
        Made::Server { command, port } => {
            app.port = Some(*port);
            app.usually(Topic::Port, port.to_string());
            let command = if command.is_empty() { install.run("start") } else { command.clone() };
            let bun = install.manager == Manager::Bun && command.first().is_some_and(|word| word == "node");
            let command: Vec<String> =
                command.into_iter().map(|word| if bun && word == "node" { "bun".to_owned() } else { word }).collect();
            app.usually(Topic::Start, command.join(" "));
            let command = serde_json::Value::from(command);
            format!(
                "FROM {image}\n{built}ENV NODE_ENV=production HOST=0.0.0.0 PORT={port}\nUSER {}\nEXPOSE {port}\nCMD {command}\n",
                install.user()
            )
        }
    }
}
