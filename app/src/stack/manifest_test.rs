//! Manifests that are right, and those that are wrong with their places.

use proptest::prelude::*;

use super::*;

const FULL: &str = r#"
name: Shop
components:
  - identifier: web
    name: Web
    static: dist
    spa: true
    hosts: [{identifier: web, name: Web, port: 80, path: /}]
  - identifier: api
    folder: /
    build: {dockerfile: docker/Dockerfile, target: run, args: {A: "1", B: 2}, secrets: [NPM_TOKEN, PIP_TOKEN]}
    port: 8080
    health: {path: /healthz, port: 8081, timeout: 60}
    env: {include: [{name: A, value: "b $ \" c"}]}
    volumes: [{identifier: data, path: /data/}]
    command: [serve, --port, 80]
    resources: {memory: 512MiB, cpus: 1.5}
  - identifier: site
    build: {}
    static: /app/dist
addons:
  - {identifier: cache, image: "redis:7"}
"#;

#[test]
fn the_documented_manifest_is_read() {
    let stack = parse("boathouse.yaml", FULL).unwrap();
    let [web, api, site] = &stack.components[..] else { panic!("three components") };
    assert_eq!(web.origin, Origin::Folder { folder: "web".into() });
    assert_eq!(web.files, Some(Files { path: "dist".into(), spa: true }));
    let Origin::Build { folder, dockerfile, target, args, .. } = &api.origin else { panic!("api is built") };
    assert_eq!((folder.as_str(), dockerfile.as_str(), target.as_deref()), (".", "docker/Dockerfile", Some("run")));
    assert_eq!(args["B"], "2");
    assert_eq!(api.build_secrets().map(EnvKey::as_str).collect::<Vec<_>>(), ["NPM_TOKEN", "PIP_TOKEN"]);
    assert_eq!(site.build_secrets().count(), 0);
    assert_eq!(api.health, HealthCheck { path: Some("/healthz".into()), port: Some(8081), timeout_s: 60 });
    assert_eq!(api.env.values().next().unwrap(), "b $ \" c");
    assert_eq!(api.volumes[0].path, "/data");
    assert_eq!(api.command.as_deref().unwrap(), ["serve", "--port", "80"]);
    assert_eq!(api.resources, Resources { memory_bytes: Some(512 << 20), cpu_millis: Some(1500) });
    assert_eq!(api.hosts.len(), 1, "a component has a host unless it says `hosts: []`");
    assert_eq!(site.files.as_ref().unwrap().path, "/app/dist");
    assert!(matches!(site.origin, Origin::Build { .. }));
    assert_eq!(stack.addons[0].hosts, []);
}

#[test]
fn a_manifest_of_diploi_is_read() {
    let text = "diploiVersion: v1.0\nname: A\ndescription: d\ncomponents:\n  - name: React\n    identifier: react\n    package: https://github.com/diploi/component-react#v1\n    env:\n      include:\n        - name: A\n          value: 1\n";
    let stack = parse("diploi.yaml", text).unwrap();
    assert_eq!(
        stack.components[0].origin,
        Origin::Build {
            folder: "react".into(),
            dockerfile: "Dockerfile".into(),
            target: None,
            args: BTreeMap::new(),
            secrets: BTreeSet::new()
        }
    );
}

/// Manifests that older versions kept with their releases say nothing of what came later.
#[test]
fn a_kept_manifest_without_the_newer_keys_is_read() {
    let kept = r#"{"kind":"build","folder":".","dockerfile":"Dockerfile","target":null,"args":{}}"#;
    let origin: Origin = serde_json::from_str(kept).unwrap();
    assert!(matches!(&origin, Origin::Build { secrets, .. } if secrets.is_empty()));
    assert_eq!(serde_json::to_string(&origin).unwrap(), kept);
}

#[test]
fn errors_name_place_and_remedy() {
    let with = |line: &str| format!("components:\n  - identifier: web\n    {line}\n");
    let cases: &[(String, &str)] = &[
        (with("hosst: []"), "boathouse.yaml:3:5: unknown key \"hosst\"; did you mean \"hosts\"?"),
        (with("zzzzzzzz: 1"), "boathouse.yaml:3:5: unknown key \"zzzzzzzz\"; known here:"),
        (with("port: 0"), "boathouse.yaml:3:11: port: \"0\" is not a number from 1 to 65535"),
        (with("port: http"), "is not a number"),
        (with("folder: ../x"), "leads out of the source"),
        (with("folder: /etc"), "is absolute"),
        (with("build: {dockerfile: ../Dockerfile}"), "leads out of the source"),
        (with("static: a/../../b"), "leads out of the source"),
        (with("build: {secrets: [A-B]}"), "boathouse.yaml:3:23: secrets: "),
        (with("build: {secrets: NPM_TOKEN}"), "secrets must be a list"),
        (with("build: {secrets: [{NPM_TOKEN: x}]}"), "a build secret must be one word"),
        (with("build: {args: {A: x}, secrets: [A]}"), "A is a build argument and a build secret"),
        (with("image: A b"), "is not a image reference"),
        (with("image: a\n    build: {}"), "either `image` or `build`"),
        (with("spa: true"), "`spa` is for static components"),
        (with("spa: yes\n    static: x"), "spa must be true or false"),
        (with("command: npm start"), "must be a list of words"),
        (with("volumes: [{identifier: data}]"), "has no path"),
        (with("volumes: [{identifier: data, path: data}]"), "cannot be mounted"),
        (with("volumes: [{identifier: data, path: /proc/x}]"), "cannot be mounted"),
        (with("resources: {memory: lots}"), "is not a size"),
        (with("resources: {cpus: -1}"), "is not a number of cores"),
        (with("health: {path: x}"), "is not a path"),
        (with("env: {include: [cache.*]}"), "not possible in this version"),
        (with("env: {include: [{name: A-B, value: x}]}"), "is not a environment variable name"),
        (with("name: a\n    name: b"), "given twice"),
        (with("name: &a x"), "anchors"),
        (with("name: !!str x"), "tags"),
        ("components:\n  - name: Web\n".into(), "boathouse.yaml:2:5: this component has no identifier"),
        (
            "components:\n  - identifier: web\n  - identifier: web\n".into(),
            "boathouse.yaml:3:5: the identifier \"web\" is used twice",
        ),
        ("components:\n  - identifier: web\naddons:\n  - {identifier: web, image: a}\n".into(), "used twice"),
        ("components:\n  - identifier: Web\n".into(), "is not a identifier"),
        (
            "components:\n  - identifier: a\naddons:\n  - {identifier: db, package: postgres}\n".into(),
            "package \"postgres\" is not built in; give the add-on an image",
        ),
        (
            "components:\n  - identifier: a\naddons:\n  - {identifier: db, image: a, hosts: []}\n".into(),
            "an add-on has no hosts",
        ),
        ("name: x\n".into(), "at least one component"),
        ("".into(), "must be a mapping"),
        ("- a\n".into(), "must be a mapping"),
        ("a: [\n".into(), "not valid YAML"),
        ("components: []\n---\nb: 1\n".into(), "one document"),
    ];
    for (text, expected) in cases {
        let error = parse("boathouse.yaml", text).unwrap_err();
        assert!(error.message.contains(expected), "{text}\n  gave: {}\n  not:  {expected}", error.message);
    }
}

#[test]
fn a_billion_laughs_and_a_deep_nest_are_refused() {
    let laughs = "a: &a [x,x]\nb: &b [*a,*a]\ncomponents: [*b]\n";
    assert!(parse("m", laughs).is_err());
    assert!(parse("m", &"[".repeat(10_000)).is_err());
    assert!(parse("m", &format!("name: {}", "x".repeat(300_000))).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,200}") {
        let _ = parse("m", &text);
    }

    #[test]
    fn parsing_words_of_a_manifest_never_panics(words in proptest::collection::vec(
        prop_oneof![
            Just("components:"), Just("\n"), Just("  "), Just("- "), Just("identifier: a"), Just("build: {"), Just("}"), Just("["),
            Just("]"), Just("&a"), Just("*a"), Just("static: /"), Just("hosts:"), Just("env:"), Just("\""), Just("|"), Just(">"),
            Just("\t"), Just("? "), Just(": "), Just("#"), Just("---"), Just("..."), Just("!!int"), Just("\u{0}"), Just("é")
        ], 0..40)) {
        let _ = parse("m", &words.concat());
    }
}
