//! Generated stacks: what is in them, and what is refused.

use super::*;
use crate::catalog::all;

fn choice(components: &[&str], addons: &[&str]) -> StackChoice {
    let part = |text: &&str| PartChoice { package: (*text).to_owned(), identifier: None };
    StackChoice {
        name: "shop".parse().unwrap(),
        components: components.iter().map(part).collect(),
        addons: addons.iter().map(part).collect(),
    }
}

fn made(components: &[&str], addons: &[&str]) -> BTreeMap<String, String> {
    let preview = generate(&choice(components, addons), &Catalog::default()).unwrap();
    preview.files.into_iter().map(|file| (file.path, file.text)).collect()
}

#[test]
fn every_component_has_a_starter_without_a_gap() {
    for entry in all().filter(|entry| entry.package.kind == PackageKind::Component) {
        let name = entry.package.identifier.as_str();
        for addons in
            [&[][..], &["postgres"], &["mariadb"], &["valkey"], &["mongodb"], &["rabbitmq"], &["redis", "nats"]]
        {
            let files = made(&[name], addons);
            let is_built = matches!(entry.package.image, PackageImage::Dockerfile { .. });
            assert_eq!(files.contains_key(&format!("{name}/Dockerfile")), is_built, "{name}");
            assert_eq!(is_built, files.len() > 4, "{name}: {:?}", files.keys());
            let says = format!("[`{name}`]({name}/README.md)");
            assert_eq!(files["README.md"].contains(&says), is_built, "{}", files["README.md"]);
            assert_eq!(files.contains_key(&format!("{name}/README.md")), is_built, "{name}");
            for (path, text) in &files {
                for word in ["{{project}}", "{{part}}", "{{driver}}", "{{prepare}}", "{{broker}}"] {
                    assert!(!text.contains(word), "{path}: {word}");
                }
            }
            if let Some(json) = files.get(&format!("{name}/package.json")) {
                let json: serde_json::Value =
                    serde_json::from_str(json).unwrap_or_else(|e| panic!("{name}: {e}\n{json}"));
                assert_eq!(json["name"], name);
            }
        }
    }
}

#[test]
fn a_starter_talks_to_the_add_on_that_was_chosen() {
    for (component, visits) in [
        ("hono", "src/visits.js"),
        ("fastapi", "src/visits.py"),
        ("go", "visits.go"),
        ("rust", "src/visits.rs"),
        ("laravel", "app/Visits.php"),
    ] {
        let path = format!("{component}/{visits}");
        for (addon, word) in
            [("postgres", "PostgreSQL"), ("mariadb", "MariaDB"), ("redis", "Redis"), ("valkey", "Redis")]
        {
            assert!(made(&[component], &[addon])[&path].contains(word), "{component} {addon}");
        }
        assert!(made(&[component], &["nats"])[&path].contains("memory"));
    }
    let json = &made(&["nodejs"], &["redis", "postgres"])["nodejs/package.json"];
    assert!(json.contains("\"redis\": ") && !json.contains("\"pg\": "), "{json}");
}

#[test]
fn a_starter_sends_and_receives_over_the_broker_that_was_chosen() {
    for (component, path, packages) in [
        ("nodejs", "src/messages.js", ["@nats-io/transport-node", "amqplib"]),
        ("fastapi", "src/messages.py", ["nats-py", "aio-pika"]),
        ("go", "messages.go", ["nats-io/nats.go", "rabbitmq/amqp091-go"]),
        ("rust", "src/messages.rs", ["async-nats", "lapin"]),
    ] {
        assert!(!made(&[component], &["redis"]).contains_key(&format!("{component}/{path}")), "{component}");
        for ((addon, name), package) in [("nats", "NATS"), ("rabbitmq", "RabbitMQ")].into_iter().zip(packages) {
            // MySQL's driver has a name of its own in each language.
            for addons in [&[addon][..], &[addon, "mariadb"]] {
                let files = made(&[component], addons);
                assert!(files[&format!("{component}/{path}")].contains(name), "{component} {addon}");
                let lists = ["/package.json", "/requirements.txt", "/go.mod", "/Cargo.toml"];
                let listed = files.iter().find(|(path, _)| lists.iter().any(|list| path.ends_with(list))).unwrap().1;
                let has_store = listed.to_lowercase().contains("mysql");
                assert!(listed.contains(package) && has_store == (addons.len() == 2), "{listed}");
            }
        }
    }
    assert!(!made(&["hono"], &["nats"]).keys().any(|path| path.contains("messages")), "it has no piece for it");
}

#[test]
fn an_add_on_that_no_code_uses_is_named() {
    let readme = |components: &[&str], addons: &[&str]| made(components, addons)["README.md"].clone();
    let says = |text: &str, addon: &str| text.contains(&format!("No code here uses `{addon}`"));
    let text = readme(&["hono"], &["redis", "nats", "meilisearch"]);
    assert!(says(&text, "nats") && says(&text, "meilisearch") && !says(&text, "redis"), "{text}");
    let text = readme(&["hono", "nodejs"], &["redis", "nats", "mariadb"]);
    assert!(!says(&text, "nats") && says(&text, "mariadb"), "the first store is used: {text}");
    assert!(says(&readme(&["react-vite"], &["postgres"]), "postgres"));
    assert!(!says(&readme(&["ghost"], &["mariadb"]), "mariadb"), "the image may use it");
}

#[test]
fn the_manifest_names_parts_and_imports() {
    let manifest = &made(&["hono", "react-vite"], &["postgres#16", "mariadb"])[MANIFEST];
    assert_eq!(
        manifest,
        "name: shop
components:
  - identifier: hono
    name: Hono
    package: hono
    env:
      include:
        - 'postgres.*'
        - mariadb.MARIADB_HOST
        - mariadb.MARIADB_PORT
        - mariadb.MARIADB_USER
        - mariadb.MARIADB_PASSWORD
        - mariadb.MARIADB_DATABASE
        - mariadb.MARIADB_ROOT_PASSWORD
  - identifier: react-vite
    name: React + Vite
    package: react-vite
    static: /app/dist
    spa: true
addons:
  - identifier: postgres
    name: PostgreSQL
    package: postgres#16
  - identifier: mariadb
    name: MariaDB
    package: mariadb
"
    );
}

#[test]
fn a_choice_that_makes_no_stack_is_refused() {
    let cases = [
        (choice(&[], &["postgres"]), "at least one component"),
        (choice(&["nothing"], &[]), "no package \"nothing\""),
        (choice(&["postgres"], &[]), "PostgreSQL is an add-on"),
        (choice(&["nodejs"], &["hono"]), "Hono is a component"),
        (choice(&["nodejs"], &["postgres#9"]), "not in the catalog in the version"),
        (choice(&["nodejs", "nodejs"], &[]), "used twice"),
        (choice(&["https://example.com/x"], &[]), "no package"),
        (choice(&["nodejs"; 21], &[]), "at most 20"),
    ];
    for (choice, wanted) in cases {
        let error = generate(&choice, &Catalog::default()).unwrap_err();
        assert!(error.message.contains(wanted), "{}", error.message);
    }
    let error = generate(&choice(&["nodejs"], &["postgres#9"]), &Catalog::default()).unwrap_err();
    assert!(error.hint.unwrap().contains("17, 16"));
}

#[test]
fn parts_can_be_renamed() {
    let mut choice = choice(&["nodejs"], &["postgres"]);
    choice.components[0].identifier = Some("web".parse().unwrap());
    choice.addons[0].identifier = Some("db".parse().unwrap());
    let preview = generate(&choice, &Catalog::default()).unwrap();
    assert!(preview.manifest.contains("identifier: web\n    name: Node.js\n    package: nodejs"));
    assert!(preview.manifest.contains("'db.*'"));
    assert!(preview.files.iter().any(|file| file.path == "web/src/index.js"));
    assert!(preview.files.iter().all(|file| !file.path.starts_with("nodejs/")));
}
