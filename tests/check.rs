//! `boathouse check` and `boathouse schema`: no server, no data directory, no network.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_boathouse");

struct Told {
    code: i32,
    out: String,
    err: String,
}

fn boathouse(folder: &Path, args: &[&str]) -> Told {
    let output = Command::new(BINARY).args(args).current_dir(folder).env_clear().output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

const SHOP: &str = "name: Shop
components:
  - identifier: web
    package: nodejs
    env:
      include:
        - db.DATABASE_URL
        - {name: SESSION_KEY, value: '${generate-random-bytes:32}'}
        - {name: GREETING, value: 'from ${NOT_SET}'}
addons:
  - {identifier: db, package: postgres}
";

#[test]
fn a_right_file_is_summed_up_and_shown_with_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("diploi.yaml"), SHOP).unwrap();
    let told = boathouse(folder.path(), &["check"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    for words in [
        "diploi.yaml: 1 component, 1 add-on",
        "db: the image postgres:17 (PostgreSQL)",
        "GREETING reads ${NOT_SET}, which must be set",
    ] {
        assert!(told.out.contains(words), "{}", told.out);
    }
    let told = boathouse(folder.path(), &["check", "diploi.yaml", "--json"]);
    let shown: Value = serde_json::from_str(&told.out).unwrap();
    let web = &shown["environment"][0];
    let variable = |key: &str| {
        let found = web["automatic"].as_array().unwrap().iter().find(|variable| variable["key"] == key);
        found.unwrap_or_else(|| panic!("{key} in {web:#}")).clone()
    };
    assert_eq!(
        variable("DATABASE_URL")["source"],
        serde_json::json!({"kind": "import", "from": "db", "key": "DATABASE_URL"})
    );
    for secret in ["DATABASE_URL", "SESSION_KEY"] {
        assert_eq!((&variable(secret)["value"], &variable(secret)["secret"]), (&Value::Null, &Value::Bool(true)));
    }
    assert_eq!(variable("STAGE")["value"], "production");
    assert_eq!(shown["environment"][1]["connection_strings"][0]["value"], "postgres://app:***@db:5432/app");
}

#[test]
fn a_wrong_file_is_told_line_by_line_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = SHOP.replace("package: nodejs", "pakage: nodejs").replace("identifier: db", "identifier: DB");
    std::fs::write(folder.path().join("boathouse.yaml"), wrong).unwrap();
    let told = boathouse(folder.path(), &["check", "boathouse.yaml"]);
    assert_eq!((told.code, told.out.as_str()), (1, ""));
    let lines: Vec<&str> = told.err.lines().collect();
    assert_eq!(lines[0], "boathouse.yaml:4:5: unknown key \"pakage\"; did you mean \"package\"?");
    assert!(lines[1].starts_with("boathouse.yaml:11:18: identifier: \"DB\" is not a identifier"), "{}", told.err);
    assert_eq!(boathouse(folder.path(), &["check", "nothing.yaml"]).code, 3);
}

#[test]
fn the_examples_are_right_and_the_schema_is_json() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for example in std::fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path()) {
        if example.join("boathouse.yaml").is_file() {
            let told = boathouse(&example, &["check"]);
            assert_eq!((told.code, told.err.as_str()), (0, ""), "{}", example.display());
        }
    }
    let schema: Value = serde_json::from_str(&boathouse(&examples, &["schema"]).out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$defs"]["component"]["required"], serde_json::json!(["identifier"]));
}

/// Files that are right, and files that are not for a reason that a schema can know; JSON is YAML.
const RIGHT: &[&str] = &[
    r#"{"components": [{"identifier": "web", "replicas": 3, "build": {"cache": false, "limits": {"memory": "1GiB", "cpus": 0.5, "time": 600}}, "volumes": [{"identifier": "x", "path": "/x", "shared": true}]}]}"#,
    r#"{"components": [{"identifier": "web"}]}"#,
    r#"{"diploiVersion": "v1.0", "type": "starter", "name": null, "previewImageUrls": ["a.jpg"], "components": [{"identifier": "web", "port": 80, "hosts": [{"identifier": "web", "port": "80", "path": "/a"}], "spa": true, "static": "dist"}], "addons": []}"#,
    r#"{"components": [{"identifier": "a", "env": {"include": ["*", "b.*", "b.B:C", {"name": "X", "value": 5}, {"path": "b.X", "name": "Y"}]}}, {"identifier": "b", "env": {"include": [{"name": "X", "value": true}, {"name": "B"}]}}]}"#,
    r#"{"components": [{"identifier": "a", "env": {"include": "*"}, "build": {"args": {"A": 1, "B": null}, "secrets": ["T"]}, "health": {"path": "/", "timeout": 5}, "resources": {"memory": "1GiB", "cpus": 0.5}, "command": ["a", 1]}], "addons": [{"identifier": "db", "package": "postgres#17", "volumes": [{"identifier": "x", "path": "/x", "sizeMiB": 5}]}]}"#,
    r#"{"components": [{"identifier": "a", "containerCommands": {"developmentStart": "npm run dev", "productionStart": ["node", "a.js"]}, "schedules": [{"identifier": "n", "cron": "@daily", "zone": "UTC", "command": ["a", 1], "inside": true, "overlap": "skip", "limit": 5, "catchUp": false}, {"identifier": "m", "cron": "0 1 * * *", "command": "a b"}], "development": {"env": {"include": [{"name": "D", "value": ""}]}}}]}"#,
];
const WRONG: &[&str] = &[
    r#"{"components": [{"identifier": "web", "replicas": 0}]}"#,
    r#"{"components": [{"identifier": "web", "build": {"cache": "no"}}]}"#,
    r#"{"components": [{"identifier": "web", "build": {"limits": {"memory": "lots"}}}]}"#,
    r#"{"components": [{"identifier": "web"}], "addons": [{"identifier": "db", "package": "postgres", "replicas": 2}]}"#,
    r#"{"name": "x"}"#,
    r#"{"components": [{"name": "Web"}]}"#,
    r#"{"components": [{"identifier": "Web"}]}"#,
    r#"{"components": [{"identifier": "web", "hosst": []}]}"#,
    r#"{"components": [{"identifier": "web", "port": 0}]}"#,
    r#"{"components": [{"identifier": "web", "port": "http"}]}"#,
    r#"{"components": [{"identifier": "web", "command": "npm start"}]}"#,
    r#"{"components": [{"identifier": "web", "spa": "yes"}]}"#,
    r#"{"components": [{"identifier": "web", "volumes": [{"identifier": "data"}]}]}"#,
    r#"{"components": [{"identifier": "web", "hosts": [{"identifier": "A_b"}]}]}"#,
    r#"{"components": [{"identifier": "web", "schedules": [{"identifier": "n", "cron": "@daily"}]}]}"#,
    r#"{"components": [{"identifier": "web", "schedules": [{"identifier": "n", "cron": "@daily", "command": "a", "overlap": "both"}]}]}"#,
    r#"{"components": [{"identifier": "web", "env": {"include": [{"name": "A-B", "value": "x"}]}}]}"#,
    r#"{"components": [{"identifier": "web", "env": {"inclde": []}}]}"#,
    r#"{"components": [{"identifier": "web", "resources": {"memory": "lots"}}]}"#,
    r#"{"components": [{"identifier": "web"}], "type": "addon"}"#,
    r#"{"components": [{"identifier": "web"}], "addons": [{"identifier": "db", "hosts": []}]}"#,
];

#[test]
fn the_schema_and_the_parser_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (files, code) in [(RIGHT, 0), (WRONG, 1)] {
        for text in files {
            std::fs::write(folder.path().join("m.yaml"), text).unwrap();
            let told = boathouse(folder.path(), &["check", "m.yaml"]);
            assert_eq!(told.code, code, "{text}\n{}", told.err);
        }
    }
    let schema: Value = serde_json::from_str(&boathouse(folder.path(), &["schema"]).out).unwrap();
    let mut compiler = boon::Compiler::new();
    compiler.set_default_draft(boon::Draft::V2020_12);
    compiler.add_resource("schema.json", schema).unwrap();
    let mut schemas = boon::Schemas::new();
    // Compiling judges the schema itself by that of its draft.
    let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
    for (files, right) in [(RIGHT, true), (WRONG, false)] {
        for text in files {
            let value = serde_json::from_str(text).unwrap();
            let judged = schemas.validate(&value, index);
            assert_eq!(judged.is_ok(), right, "{text}: {judged:?}");
        }
    }
}
