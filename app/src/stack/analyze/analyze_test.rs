//! Small repositories and what they are taken for.

use super::*;

fn look(files: &[(&str, &str)]) -> Result<Proposal> {
    let paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    let read = |name: &str| files.iter().find(|(path, _)| *path == name).map(|(_, text)| (*text).to_owned());
    analyze(&paths, &read)
}

fn dockerfile(proposal: &Proposal) -> &str {
    proposal.files.iter().find(|file| file.path.ends_with("Dockerfile")).map_or("", |file| &file.text)
}

/// Files, what the manifest must say, what the Dockerfile must say.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str]);

const EXPRESS: &str = r#"{"scripts": {"start": "node server.js"}, "dependencies": {"express": "^5", "pg": "^8"}}"#;
const VITE: &str = r#"{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "^7", "react": "^19"}}"#;

const CASES: &[Case] = &[
    (
        &[
            ("package.json", EXPRESS),
            ("package-lock.json", "{}"),
            ("server.js", "app.listen(process.env.PORT || 4000)"),
            (".nvmrc", "v20.11\n"),
        ],
        &["name: Express", "port: 4000", "'postgres.*'", "package: postgres"],
        &[
            "FROM node:20-slim",
            "COPY package.json package-lock.json ./",
            "npm ci",
            "[\"npm\",\"run\",\"start\"]",
            "EXPOSE 4000",
            "USER node",
        ],
    ),
    (
        &[("package.json", EXPRESS), ("pnpm-lock.yaml", "lockfileVersion: '6.0'\n"), ("server.js", "")],
        &["port: 3000"],
        &["pnpm@8", "pnpm install --frozen-lockfile", "[\"pnpm\",\"run\",\"start\"]"],
    ),
    (
        &[("package.json", EXPRESS), ("yarn.lock", "__metadata:\n  version: 8\n")],
        &[],
        &["YARN_ENABLE_GLOBAL_CACHE=false", "@yarnpkg/cli-dist@4", "yarn install --immutable"],
    ),
    (
        &[("package.json", EXPRESS), ("yarn.lock", "# yarn lockfile v1\n")],
        &[],
        &["yarn@1", "yarn install --frozen-lockfile"],
    ),
    (
        &[
            ("package.json", r#"{"dependencies": {"hono": "4"}, "scripts": {"start": "bun src/index.ts"}}"#),
            ("bun.lock", ""),
            ("src/index.ts", "export default { port: 3001 }"),
        ],
        &["name: Hono", "port: 3001"],
        &["FROM oven/bun:1-slim", "bun install --frozen-lockfile", "[\"bun\",\"run\",\"start\"]"],
    ),
    (
        &[("package.json", VITE), ("package-lock.json", "{}")],
        &["name: Vite", "static: /app/dist", "spa: true"],
        &["npm run build"],
    ),
    (
        &[
            ("package.json", r#"{"scripts": {"build": "next build"}, "dependencies": {"next": "16"}}"#),
            ("package-lock.json", "{}"),
        ],
        &["name: Next.js", "port: 3000"],
        &["npm run build", "\"next\",\"start\""],
    ),
    (
        &[
            ("package.json", r#"{"scripts": {"build": "astro build"}, "dependencies": {"astro": "7"}}"#),
            ("package-lock.json", "{}"),
        ],
        &["name: Astro", "static: /app/dist"],
        &["npm run build"],
    ),
    (
        &[
            ("package.json", r#"{"scripts": {"build": "eleventy"}, "devDependencies": {"@11ty/eleventy": "3"}}"#),
            ("package-lock.json", "{}"),
        ],
        &["name: Eleventy", "static: /app/_site"],
        &[],
    ),
    (
        &[
            ("requirements.txt", "fastapi\nuvicorn\npsycopg[binary]>=3\nredis\n"),
            ("src/main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
        ],
        &["name: FastAPI", "port: 8000", "'postgres.*'", "'redis.*'"],
        &["FROM python:3.13-slim", "--requirement requirements.txt", "uvicorn src.main:app"],
    ),
    (
        &[
            ("pyproject.toml", "[project]\ndependencies = [\n  \"flask\",\n]\n"),
            ("uv.lock", ""),
            ("app.py", "server = Flask(__name__)\n"),
            (".python-version", "3.12\n"),
        ],
        &["name: Flask"],
        &["FROM python:3.12-slim", "uv export --frozen", "RUN pip install --no-cache-dir gunicorn", "app:server"],
    ),
    (
        &[
            ("pyproject.toml", "[project]\ndependencies = [\"uvicorn[standard]>=0.3\", \"fastapi\", \"psycopg\"]\n"),
            ("poetry.lock", ""),
            ("main.py", "app = FastAPI()\n"),
        ],
        &["name: FastAPI", "'postgres.*'"],
        &["poetry export", "uvicorn main:app"],
    ),
    (
        &[
            ("pyproject.toml", "[tool.poetry.dependencies]\ndjango = \"^5\"\n"),
            ("poetry.lock", ""),
            ("manage.py", ""),
            ("shop/wsgi.py", ""),
        ],
        &["name: Django"],
        &["poetry export", "gunicorn --bind 0.0.0.0:$PORT shop.wsgi"],
    ),
    (
        &[
            ("go.mod", "module x\n\ngo 1.22.3\n\nrequire github.com/jackc/pgx/v5 v5.1.0\n"),
            ("go.sum", ""),
            ("cmd/api/main.go", "package main\nfunc main() { http.ListenAndServe(\":9000\", nil) }"),
        ],
        &["name: Go", "port: 9000", "'postgres.*'"],
        &["FROM golang:1.22", "-o /server ./cmd/api", "FROM scratch", "COPY go.mod go.sum ./"],
    ),
    (
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"api\"\n\n[dependencies]\naxum = \"0.8\"\nsqlx = { version = \"0.8\", features = [\"mysql\"] }\n",
            ),
            ("Cargo.lock", ""),
            ("src/main.rs", "bind(\"0.0.0.0:3030\")"),
        ],
        &["name: Rust", "port: 3030", "'mariadb.*'"],
        &["cargo build --release --locked --bin api"],
    ),
    (
        &[
            ("composer.json", r#"{"require": {"php": "^8.4", "laravel/framework": "^12"}}"#),
            ("composer.lock", "{}"),
            ("public/index.php", ""),
        ],
        &["name: Laravel", "port: 8080"],
        &["frankenphp:1-php8.4", "composer install --no-dev", "--root public", "artisan migrate"],
    ),
    (
        &[("Gemfile", "source 'x'\nruby '3.4.1'\ngem 'rails', '~> 8'\ngem \"pg\"\n"), ("Gemfile.lock", "")],
        &["name: Rails", "'postgres.*'"],
        &["FROM ruby:3.4-slim", "bundle install", "rails server"],
    ),
    (
        &[(
            "Shop.csproj",
            "<Project Sdk=\"Microsoft.NET.Sdk.Web\"><TargetFramework>net8.0</TargetFramework><PackageReference Include=\"Npgsql\" />",
        )],
        &["name: ASP.NET", "'postgres.*'"],
        &["dotnet/sdk:8.0", "dotnet/aspnet:8.0", "\"Shop.dll\""],
    ),
    (
        &[
            ("deno.json", r#"{"tasks": {"start": "deno run main.ts"}, "imports": {"redis": "npm:redis@5"}}"#),
            ("main.ts", "Deno.serve({ port: 8123 })"),
        ],
        &["name: Deno", "port: 8123", "'redis.*'"],
        &["denoland/deno", "[\"task\", \"start\"]"],
    ),
    (
        &[("hugo.toml", "baseURL = 'x'"), ("content/a.md", "")],
        &["name: Hugo", "static: /src/public"],
        &["hugo --minify"],
    ),
    (&[("_config.yml", ""), ("_posts/a.md", "")], &["name: Jekyll", "static: /src/_site"], &["jekyll build"]),
    (&[("public/index.html", "")], &["name: Static site", "static: public"], &[]),
];

#[test]
fn repositories_are_taken_for_what_they_are() {
    for (files, manifest, text) in CASES {
        let proposal = look(files).unwrap_or_else(|error| panic!("{files:?}: {}", error.message));
        for word in *manifest {
            assert!(proposal.manifest.contains(word), "{word} is missing for {:?}:\n{}", files[0], proposal.manifest);
        }
        for word in *text {
            assert!(
                dockerfile(&proposal).contains(word),
                "{word} is missing for {:?}:\n{}",
                files[0],
                dockerfile(&proposal)
            );
        }
        assert!(!proposal.evidence.is_empty() && !proposal.existing);
        for fact in &proposal.evidence {
            assert!(files.iter().any(|(path, _)| *path == fact.file), "{fact:?}");
        }
        crate::stack::read_manifest("boathouse.yaml", &proposal.manifest)
            .unwrap_or_else(|errors| panic!("{errors:?}\n{}", proposal.manifest));
    }
}

#[test]
fn what_the_repository_has_of_its_own_wins() {
    let manifest = "components: [{identifier: web}]\n";
    let proposal = look(&[("diploi.yaml", manifest), ("package.json", EXPRESS)]).unwrap();
    assert!(proposal.existing && proposal.files.is_empty());
    assert_eq!((proposal.manifest.as_str(), proposal.manifest_name.as_str()), (manifest, "diploi.yaml"));
    let text = "FROM node AS build\nEXPOSE 1\nFROM scratch\nexpose 9090/tcp\n";
    let proposal = look(&[("Dockerfile", text), ("package.json", EXPRESS), ("package-lock.json", "{}")]).unwrap();
    assert!(proposal.files.is_empty() && proposal.manifest.contains("port: 9090"), "{}", proposal.manifest);
    assert!(proposal.manifest.contains("'postgres.*'"));
    let proposal = look(&[("package.json", VITE), (".dockerignore", "x")]).unwrap();
    assert!(proposal.files.iter().all(|file| file.path != ".dockerignore"));
}

#[test]
fn several_applications_are_several_components() {
    let proposal = look(&[
        ("web/package.json", VITE),
        ("web/package-lock.json", "{}"),
        ("services/api/requirements.txt", "flask\ngunicorn\nmysqlclient\n"),
        ("services/api/app.py", "app = Flask(__name__)\n"),
        ("services/api/tests/requirements.txt", "pytest\n"),
        ("README.md", ""),
    ])
    .unwrap();
    for word in ["identifier: web\n", "folder: web\n", "identifier: api\n", "folder: services/api\n", "'mariadb.*'"] {
        assert!(proposal.manifest.contains(word), "{word}:\n{}", proposal.manifest);
    }
    assert_eq!(proposal.manifest.matches("- identifier").count(), 3, "two components, one add-on");
    let paths: Vec<&str> = proposal.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["services/api/.dockerignore", "services/api/Dockerfile", "web/.dockerignore", "web/Dockerfile"]);
}

#[test]
fn a_workspace_installs_at_its_root() {
    let proposal = look(&[
        ("package.json", r#"{"workspaces": ["apps/*"]}"#),
        ("package-lock.json", "{}"),
        ("apps/api/package.json", EXPRESS),
        ("apps/api/server.js", ""),
        ("packages/ui/package.json", r#"{"name": "ui"}"#),
    ])
    .unwrap();
    assert!(
        proposal.manifest.contains("folder: /\n    build: {dockerfile: apps/api/Dockerfile}"),
        "{}",
        proposal.manifest
    );
    assert!(!proposal.manifest.contains("identifier: ui"), "a library runs nothing");
    let text = dockerfile(&proposal);
    assert!(text.contains("COPY . .\nRUN npm ci\nWORKDIR /app/apps/api\n"), "{text}");
}

#[test]
fn variables_that_nobody_sets_are_told() {
    let proposal = look(&[
        ("package.json", EXPRESS),
        ("package-lock.json", "{}"),
        (
            ".env.example",
            "# comment\nDB_HOST=localhost\nexport DB_NAME=app\nDATABASE_URL=\nPORT=1\nSTRIPE_KEY=\nnot a variable\n",
        ),
    ])
    .unwrap();
    assert!(proposal.manifest.contains("- postgres.POSTGRES_HOST:DB_HOST\n"), "{}", proposal.manifest);
    assert!(proposal.manifest.contains("- postgres.POSTGRES_DB:DB_NAME\n"));
    let warnings = proposal.warnings.join("\n");
    assert!(
        warnings.contains("STRIPE_KEY") && !warnings.contains("DATABASE_URL") && !warnings.contains("PORT,"),
        "{warnings}"
    );
}

#[test]
fn nothing_known_is_an_error_that_says_so() {
    let error = look(&[("README.md", ""), ("notes/a.txt", "")]).unwrap_err();
    assert!(error.message.contains("nothing in this folder is known") && error.hint.is_some());
    assert!(look(&[]).is_err());
}
