//! The whole catalog, walked: what the compiler cannot check of data files.

use std::collections::BTreeSet;

use super::*;
use crate::stack::package::{PackageKind, ParameterKind};

const COMPONENTS: &str = "nextjs nodejs react-vite sveltekit astro hono nue bun deno fastapi flask django laravel aspnet \
    blazor go rust static dockerfile image n8n ghost supabase";
const ADDONS: &str = "postgres mariadb redis valkey mongodb minio nats rabbitmq meilisearch mailpit";

#[test]
fn what_users_expect_is_there_and_complete() {
    for (names, kind) in [(COMPONENTS, PackageKind::Component), (ADDONS, PackageKind::Addon)] {
        for name in names.split_whitespace() {
            let entry = entry(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!((entry.package.identifier.as_str(), entry.package.kind), (name, kind));
        }
    }
    for entry in all() {
        let name = &entry.package.identifier;
        assert!(
            !entry.package.description.is_empty() && !entry.category.is_empty() && !entry.readme.is_empty(),
            "{name}"
        );
    }
}

#[test]
fn a_name_leads_to_one_package() {
    let mut seen = BTreeSet::new();
    for entry in all() {
        let names = entry.aliases.iter().map(String::as_str).chain([entry.package.identifier.as_str()]);
        for name in names {
            assert!(seen.insert(name), "{name} is used twice");
        }
    }
}

#[test]
fn a_package_has_the_name_of_its_folder() {
    for kept in embedded::kept() {
        assert!(kept.is(kept.entry().package.identifier.as_str()), "{}", kept.entry().package.identifier);
    }
}

#[test]
fn pictures_are_shapes_and_nothing_else() {
    const ELEMENTS: [&str; 8] = ["svg", "rect", "text", "path", "circle", "g", "polygon", "line"];
    for entry in all() {
        let icon = &entry.icon;
        assert!(icon.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && icon.len() < 4096, "{icon}");
        let elements = icon.split('<').skip(1).map(|rest| rest.trim_start_matches('/'));
        for element in elements.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap()) {
            assert!(ELEMENTS.contains(&element), "{element} in {icon}");
        }
        let attributes = icon.replace("http://www.w3.org/2000/svg", "").to_ascii_lowercase();
        for word in ["href", "url(", "style", "javascript", "data:", "://", " on", "&"] {
            assert!(!attributes.contains(word), "{word} in {icon}");
        }
    }
}

/// Instructions of a Dockerfile, lines that go on joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(word, rest)| (word.to_owned(), rest.to_owned())).collect()
}

#[test]
fn dockerfiles_are_whole_and_expose_the_package_s_port() {
    const WORDS: [&str; 11] =
        ["FROM", "ARG", "RUN", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "CMD", "ENTRYPOINT", "LABEL"];
    for entry in all() {
        let PackageImage::Dockerfile { production, development, ignore, files, .. } = &entry.package.image else {
            continue;
        };
        let name = &entry.package.identifier;
        assert!(ignore.as_deref().is_some_and(|text| text.contains(".env")), "{name}: secrets would go into the image");
        for text in [Some(production), development.as_ref()].into_iter().flatten() {
            let lines = instructions(text);
            assert!(
                matches!(lines[0].0.as_str(), "FROM" | "ARG") && lines.iter().any(|(word, _)| word == "FROM"),
                "{name}"
            );
            assert!(lines.iter().all(|(word, _)| WORDS.contains(&word.as_str())), "{name}: {lines:?}");
        }
        let last = instructions(production);
        let exposed = last.iter().find(|(word, _)| word == "EXPOSE").map(|(_, port)| port.parse::<u16>().unwrap());
        assert_eq!(exposed, entry.package.port, "{name}");
        assert_eq!(files.is_none(), last.iter().any(|(word, _)| word == "CMD" || word == "ENTRYPOINT"), "{name}");
        let is_root = files.is_none() && !last.iter().any(|(word, _)| word == "USER");
        assert!(!is_root, "{name}: its server runs as root");
    }
}

#[test]
fn no_credential_is_fixed() {
    for entry in all() {
        for parameter in &entry.package.parameters {
            let (name, key) = (&entry.package.identifier, parameter.key.as_str());
            let secret_word =
                ["PASS", "SECRET", "TOKEN", "MASTER_KEY", "APP_KEY"].iter().any(|word| key.contains(word));
            if secret_word {
                assert_eq!(parameter.kind, ParameterKind::Secret, "{name}: {key}");
            }
            if parameter.kind == ParameterKind::Secret {
                assert!(parameter.value.contains("${"), "{name}: {key} is the same everywhere");
            }
            for word in placeholders(&parameter.value) {
                let known =
                    word.starts_with("generate-") || ["IDENTIFIER", "APP_ENDPOINT", "APP_PUBLIC_URL"].contains(&word);
                let own = entry.package.parameters.iter().any(|other| other.key.as_str() == word);
                let mut imports = entry.package.dependencies.iter().flat_map(|dependency| dependency.imports.values());
                let imported = imports.any(|ours| ours.as_str() == word);
                assert!(known || own || imported, "{name}: {key} asks for {word}");
            }
        }
        for string in &entry.package.connection_strings {
            for word in placeholders(&string.value) {
                let own = entry.package.parameters.iter().any(|other| other.key.as_str() == word);
                assert!(own || word == "IDENTIFIER", "{}: {word}", string.value);
            }
        }
    }
}

fn placeholders(value: &str) -> impl Iterator<Item = &str> {
    value.split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0)
}

#[test]
fn no_command_has_a_secret_in_an_argument() {
    for entry in all() {
        let package = &entry.package;
        let backup = package.backup.iter().flat_map(|backup| [&backup.dump, &backup.restore]);
        let rotate = package.rotate.iter().flat_map(|rotate| std::iter::once(&rotate.begin).chain(&rotate.end));
        for words in backup.chain(rotate).chain(&package.commands.production) {
            assert!(!words.iter().any(|word| word.contains("--password=") || word.contains("-p$")), "{words:?}");
        }
        if let Some(rotate) = &package.rotate {
            let scripts = rotate.begin.join(" ");
            assert!(scripts.contains("NEW_VALUE"), "{scripts}");
        }
    }
}

#[test]
fn what_a_package_depends_on_is_in_the_catalog() {
    for dependency in all().flat_map(|entry| &entry.package.dependencies) {
        let package = find(&dependency.package).unwrap_or_else(|| panic!("{}", dependency.package));
        for theirs in dependency.imports.keys() {
            assert!(package.parameters.iter().any(|parameter| parameter.key == *theirs), "{theirs}");
        }
    }
}

#[test]
fn well_known_names_are_found_in_their_version() {
    let image = |text: &str| match find(text).map(|package| package.image) {
        Some(PackageImage::Image { image, .. }) => Some(image.to_string()),
        _ => None,
    };
    let cases = [
        ("postgres", Some("postgres:17")),
        ("postgresql", Some("postgres:17")),
        ("postgres#16", Some("postgres:16")),
        ("postgres#16.4", Some("postgres:16.4")),
        ("postgres#9", None),
        ("postgres#17;x", None),
        ("https://github.com/diploi/addon-postgres#v17.2", Some("postgres:17.2")),
        ("https://github.com/diploi/addon-postgres.git#main", Some("postgres:17")),
        ("https://github.com/diploi/addon-mariadb#v1.0.0", Some("mariadb:11.8")),
        ("https://github.com/diploi/component-postgres", None),
        ("https://github.com/else/addon-postgres", None),
        ("https://example.com/diploi/addon-postgres", None),
        ("mysql", Some("mariadb:11.8")),
    ];
    for (text, wanted) in cases {
        assert_eq!(image(text).as_deref(), wanted, "{text}");
    }
    let next = find("https://github.com/diploi/component-nextjs#v16.1.2-ports").unwrap();
    assert_eq!((next.identifier.as_str(), next.port, next.hosts[0].identifier.as_str()), ("nextjs", Some(3000), "app"));
}

#[test]
fn every_package_makes_a_part_of_a_stack() {
    for entry in all() {
        let name = &entry.package.identifier;
        let text = match entry.package.kind {
            PackageKind::Component => format!("components: [{{identifier: part, package: {name}}}]\n"),
            PackageKind::Addon => format!(
                "components: [{{identifier: web, env: {{include: ['part.*']}}}}]\naddons: [{{identifier: part, package: {name}}}]\n"
            ),
        };
        let manifest = crate::stack::read_manifest("boathouse.yaml", &text).unwrap();
        let stack = crate::stack::resolve(&manifest, &|url| find(&url.to_string()));
        let stack = stack.unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        for dependency in &entry.package.dependencies {
            assert!(stack.find(&dependency.identifier).is_some(), "{name} comes without {}", dependency.identifier);
        }
    }
}
