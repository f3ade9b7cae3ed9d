//! A package manifest: what is read of it, and what is said of a wrong one.

use super::*;
use crate::stack::package::ParameterKind;

fn read(text: &str, files: &[(&str, &str)]) -> Result<PackageManifest> {
    let find = |name: &str| files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned());
    let identifier = "thing".parse().unwrap();
    parse(&PackageSource { file: "diploi.yaml", text, identifier: &identifier, version: Some("v2"), read: &find })
}

fn package(text: &str) -> Package {
    read(text, &[]).unwrap().package
}

/// Written as Diploi's add-on packages are.
const DATABASE: &str = "diploiVersion: v1.0
type: addon
name: PostgreSQL
description: A database.
parameterGroups:
  - name: Connection
    identifier: postgres
    description: How to reach it
    parameters:
      - {name: Host, identifier: PGHOST, defaultValue: 'db.${DIPLOI_NAMESPACE}', type: string, readOnly: true}
      - {name: Port, identifier: PGPORT, defaultValue: 5432, type: integer, contexts: label=app}
      - {identifier: PGPASSWORD, defaultValue: '[diploi-generate-password]', type: secret}
  - name: Extra
    toggleable: true
    defaultValue: FALSE
    parameters: [{identifier: OFF, defaultValue: 1}]
environmentVariables:
  - {identifier: PGPORT, defaultValue: 1}
  - {identifier: SSL, defaultValue: TRUE, type: boolean}
connectionStrings:
  - {name: URI, value: 'postgres://${IDENTIFIER}:${PGPORT}', description: Inside only.}
logs: [{name: Server log, type: log, labelSelector: app=postgres}]
images: [{identifier: postgres, image: postgres:17.2}]
storage: [{identifier: data, path: /data, sizeMiB: 6144, uid: 999, gid: 998, stages: [production]}]
";

#[test]
fn the_keys_of_diploi_are_read() {
    let package = package(DATABASE).named(&"db2".parse().unwrap());
    let seen: Vec<_> =
        package.parameters.iter().map(|p| (p.key.as_str(), p.value.as_str(), p.kind, p.read_only)).collect();
    assert_eq!(
        seen,
        [
            ("PGHOST", "db.db2", ParameterKind::String, true),
            ("PGPORT", "5432", ParameterKind::Integer, false),
            ("PGPASSWORD", "${generate-random-password:32}", ParameterKind::Secret, false),
            ("SSL", "true", ParameterKind::Boolean, false),
        ]
    );
    assert_eq!(package.connection_strings[0].value, "postgres://db2:${PGPORT}");
    assert_eq!(package.identifier.as_str(), "thing");
    let storage = &package.storage[0];
    assert_eq!((storage.size_mib, storage.uid, storage.gid), (Some(6144), Some(999), Some(998)));
    assert_eq!(storage.stages, BTreeSet::from([DeploymentStage::Production]));
}

#[test]
fn a_component_is_built_from_the_dockerfiles_beside_its_manifest() {
    let text = "type: component\nname: App\nhosts: [{identifier: app, port: 3000}]\nimages: [{identifier: app, prebuildImage: 'ghcr.io/a/b:[tag]'}]\n";
    let with = read(text, &[("Dockerfile", "FROM a"), ("Dockerfile.dev", "FROM b")]).unwrap().package;
    let PackageImage::Dockerfile { production, development, .. } = &with.image else { panic!("{:?}", with.image) };
    assert_eq!((production.as_str(), development.as_deref(), with.port), ("FROM a", Some("FROM b"), Some(3000)));
    let PackageImage::Image { image, .. } = package(text).image else { panic!("an image") };
    assert_eq!(image.as_str(), "ghcr.io/a/b:v2");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        ("name: A\n", "1:1: a package needs a type"),
        ("type: starter\nname: A\n", "1:7: type: \"starter\" is neither"),
        ("type: addon\nname: A\n", "an add-on's package needs an image"),
        ("type: component\nname: A\n", "neither an image nor a Dockerfile"),
        ("type: addon\nnmae: A\n", "a package needs a name"),
        (
            "type: addon\nname: A\nimages: [{image: a}]\nstorge: []\n",
            "4:1: unknown key \"storge\"; did you mean \"storage\"?",
        ),
        ("type: addon\nname: A\nimages: [{image: a}, {image: b}]\n", "3:22: this package is made of several images"),
        ("type: addon\nname: A\nimages: [{image: a}]\nstorage: [{identifier: d}]\n", "the storage \"d\" has no path"),
        (
            "type: addon\nname: A\nimages: [{image: a}]\nrotate: {key: K, begin: [a]}\n",
            "the package has no parameter K",
        ),
        ("type: addon\nname: A\nimages: [{image: a}]\nbackup: {restore: [a]}\n", "dump is missing"),
        ("type: addon\nname: A\nimages: [{image: 'A B'}]\n", "3:18: image: "),
        (
            "type: addon\nname: A\nimages: [{image: a}]\nenvironmentVariables: [{identifier: N, type: integer, defaultValue: x}]\n",
            "not a whole number",
        ),
        ("type: component\nname: A\ndockerfile: ../x\n", "leads out of the source"),
        ("type: component\nname: A\ndockerfile: x\n", "the package has no file \"x\""),
    ];
    for (text, wanted) in cases {
        let error = read(text, &[]).unwrap_err();
        assert!(
            error.message.contains(wanted) && error.message.starts_with("diploi.yaml:"),
            "{text}: {}",
            error.message
        );
    }
}

#[test]
fn commands_are_lists_of_words() {
    let text = "type: addon\nname: A\nimages: [{image: a}]\nparameterGroups: [{parameters: [{identifier: P}]}]\n\
        containerCommands: {productionStart: [run, 'a b']}\nbackup: {dump: [d], restore: [r], extension: sql.gz}\nrotate: {key: P, begin: [x]}\n";
    let package = package(text);
    assert_eq!(package.commands.production.unwrap(), ["run", "a b"]);
    assert_eq!(package.backup.unwrap().extension, "sql.gz");
    assert!(package.rotate.unwrap().end.is_none());
    assert!(read(&text.replace("[d]", "d"), &[]).unwrap_err().message.contains("dump must be a list"));
}
