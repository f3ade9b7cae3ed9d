//! Manifests that are right, and those that are wrong with their places.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{DeploymentStage, EnvKey, Overlap, Sleep};
use proptest::prelude::*;

use super::package::tests::postgres;
use super::*;

/// Every key of the format.
const FULL: &str = r#"
diploiVersion: v1.0
type: starter
name: Shop
description: Sells things
previewImageUrls: [one.jpg]
components:
  - identifier: web
    name: Web
    description: The page
    static: dist
    spa: true
    hosts: [{identifier: web, name: Web, port: 80, path: /}]
    prebuildImage: ghcr.io/a/web:[tag]
  - identifier: api
    folder: /
    package: https://github.com/example/component-api#v1
    build: {dockerfile: docker/Dockerfile, target: run, args: {A: "1", B: 2}, secrets: [NPM_TOKEN, PIP_TOKEN], cache: false, limits: {memory: 1GiB, cpus: 0.5, time: 600}}
    port: 8080
    health: {path: /healthz, port: 8081, timeout: 60}
    env:
      include:
        - {name: A, value: "b $ \" c"}
        - cache.*
        - {path: web.WEB_ENDPOINT, name: SITE}
    development: {env: {include: [{name: DEBUG, value: true}]}}
    volumes: [{identifier: data, path: /data/, sizeMiB: 100, shared: true}]
    command: [serve, --port, 80]
    schedules:
      - {identifier: nightly, cron: "30 2 * * mon-fri", zone: Europe/Berlin, command: ./report --all, limit: 90}
      - {identifier: hourly, cron: "@hourly", command: [sh, -c, "date > /data/x"], inside: true, overlap: queue, catchUp: true}
    containerCommands: {developmentStart: npm run dev, productionStart: [node, server.js]}
    resources: {memory: 512MiB, cpus: 1.5}
    replicas: 3
  - {identifier: site, build: {}, static: /app/dist, backup: true}
addons:
  - {identifier: cache, image: "redis:7", env: {include: [{name: SIZE, value: 5}]}, backup: false}
development: {env: {include: [{name: LOG, value: all}, '*']}}
sleep: {after: 15m, wait: 1m}
backup: {cron: "0 3 * * *", zone: Europe/Berlin, keep: 30}
"#;

fn key(text: &str) -> EnvKey {
    text.parse().unwrap()
}

#[test]
fn the_documented_manifest_is_read() {
    let stack = parse("boathouse.yaml", FULL).unwrap();
    assert_eq!(stack.sleep, Some(Sleep { after_s: 900, wait_s: 60 }));
    let [web, api, site] = &stack.components[..] else { panic!("three components") };
    assert_eq!(web.origin, Origin::Folder { folder: "web".into() });
    assert_eq!(web.files, Some(Files { path: "dist".into(), spa: true }));
    let Origin::Build { folder, dockerfile, target, args, .. } = &api.origin else { panic!("api is built") };
    assert_eq!((folder.as_str(), dockerfile.as_str(), target.as_deref()), (".", "docker/Dockerfile", Some("run")));
    assert_eq!(args["B"], "2");
    assert_eq!(api.build_secrets().map(EnvKey::as_str).collect::<Vec<_>>(), ["NPM_TOKEN", "PIP_TOKEN"]);
    assert_eq!(site.build_secrets().count(), 0);
    assert_eq!(
        api.health,
        HealthCheck { path: Some("/healthz".into()), port: Some(8081), timeout_s: 60, ..HealthCheck::default() }
    );
    assert_eq!(api.env.values().next().unwrap(), "b $ \" c");
    assert_eq!(api.imports.iter().map(ToString::to_string).collect::<Vec<_>>(), ["cache.*", "web.WEB_ENDPOINT:SITE"]);
    assert_eq!(api.development.env.keys().map(EnvKey::as_str).collect::<Vec<_>>(), ["DEBUG", "LOG"]);
    assert_eq!((api.volumes[0].path.as_str(), api.volumes[0].size_mib), ("/data", Some(100)));
    assert_eq!(api.command.as_deref().unwrap(), ["serve", "--port", "80"]);
    let [nightly, hourly] = &api.schedules[..] else { panic!("two schedules") };
    assert_eq!((nightly.set.argv.join("|").as_str(), nightly.set.limit_ms), ("./report|--all", Some(90_000)));
    assert_eq!((nightly.set.component.as_str(), nightly.set.fresh, nightly.set.catch_up), ("api", None, false));
    assert_eq!((hourly.set.fresh, hourly.set.overlap, hourly.set.catch_up), (Some(false), Overlap::Queue, true));
    assert_eq!(api.commands.development.as_deref().unwrap(), ["npm", "run", "dev"]);
    assert_eq!(api.commands.production.as_deref().unwrap(), ["node", "server.js"]);
    assert_eq!(api.resources, Resources { memory_bytes: Some(512 << 20), cpu_millis: Some(1500), replicas: Some(3) });
    assert_eq!(api.hosts.len(), 1, "a component has a host unless it says `hosts: []`");
    assert_eq!(site.files.as_ref().unwrap().path, "/app/dist");
    assert!(matches!(site.origin, Origin::Build { .. }) && !site.not_backed_up && stack.addons[0].not_backed_up);
    assert_eq!((&stack.addons[0].hosts[..], stack.addons[0].development.env.len()), (&[][..], 0));
    assert_eq!(serde_json::from_str::<Stack>(&serde_json::to_string(&stack).unwrap()).unwrap(), stack);
}

const DIPLOI: &str = "diploiVersion: v1.0
type: starter
name: Web App
previewImageUrls: [preview-1.jpg, preview-2.jpg]
components:
  - name: React
    identifier: react
    folder: /
    package: https://github.com/diploi/component-react-vite#v19.1.1
    prebuildImage: ghcr.io/diploi/starter-web-app/react:[tag]
    env:
      include:
        - supabase.APP_ENDPOINT:SUPABASE_URL
        - supabase.ANON_KEY:SUPABASE_ANON_KEY
  - name: Supabase
    identifier: supabase
    package: https://github.com/diploi/component-supabase#feature/migrations
addons: []
";

#[test]
fn a_manifest_of_diploi_is_read_though_its_packages_are_not_at_hand() {
    let stack = parse("diploi.yaml", DIPLOI).unwrap();
    assert!(matches!(&stack.components[0].origin, Origin::Build { folder, .. } if folder == "."));
    let package = stack.components[1].package.as_ref().unwrap();
    assert_eq!((package.url.reference(), &package.name), (Some("feature/migrations"), &None));
    let unknown = DIPLOI.replace("supabase.ANON_KEY", "supabose.ANON_KEY");
    let error = parse("diploi.yaml", &unknown).unwrap_err();
    assert_eq!(
        error.message,
        "diploi.yaml:14:11: cannot import supabose.ANON_KEY:SUPABASE_ANON_KEY: \"supabose\" is neither a component nor an add-on of this stack; did you mean \"supabase\"?"
    );
}

#[test]
fn a_stack_sleeps_after_a_duration_or_by_a_mapping() {
    let sleep = |text: &str| parse("m", &format!("components: [{{identifier: web}}]\n{text}\n")).unwrap().sleep;
    assert_eq!(sleep(""), None);
    assert_eq!(sleep("sleep: 15m"), Some(Sleep { after_s: 900, wait_s: 30 }));
    assert_eq!(sleep("sleep: {after: 1h, wait: 90s}"), Some(Sleep { after_s: 3600, wait_s: 90 }));
    let wrong = |text: &str| parse("m", &format!("components: [{{identifier: web}}]\n{text}\n")).unwrap_err().message;
    for (text, problem) in [
        ("sleep: 15", "m:2:8: sleep: \"15\" is no duration: write it as 90s, 15m, 2h or 1d"),
        ("sleep: {after: 0s}", "m:2:16: after: after=0s is not from 1s to 30d"),
        ("sleep: {after: 1m, wait: 11m}", "m:2:26: wait: wait=660s is not from 1s to 10m"),
        ("sleep: {wait: 5s}", "has no after: add `after: 15m`"),
        ("sleep: {after: 1m, idle: 5s}", "unknown key \"idle\"; known here: after, wait"),
    ] {
        assert!(wrong(text).contains(problem), "{text}: {}", wrong(text));
    }
}

#[test]
fn commands_of_a_release_are_lists_or_lines_that_no_shell_reads() {
    let text = "components:
  - {identifier: api, release: {before: 'sh -c \"./migrate | tee log\"', after: [./warm, $HOME], limit: 30}}
  - {identifier: web, release: {before: npm run 'db push'}}
  - {identifier: bare, release: {}}
";
    let stack = parse("m", text).unwrap();
    let told: Vec<_> = stack
        .commands()
        .map(|(moment, at, part, argv)| (moment, at, part.identifier.as_str(), argv.join("|")))
        .collect();
    use boathouse_types::Moment::*;
    assert_eq!(
        told,
        [
            (Before, 0, "api", "sh|-c|./migrate | tee log".to_owned()),
            (Before, 1, "web", "npm|run|db push".to_owned()),
            (After, 0, "api", "./warm|$HOME".to_owned()),
        ]
    );
    assert_eq!((stack.components[0].release.limit_s(), stack.components[1].release.limit_s()), (30, 600));
    assert!(stack.components[2].release.is_empty());
}

#[test]
fn all_forms_of_a_star_are_read() {
    for include in ["\n        - *", "\n        - '*'", " '*'", " *", "\n        - *  # everything"] {
        let text = format!(
            "components:\n  - identifier: web\n    env:\n      include:{include}\naddons:\n  - {{identifier: db, image: a, env: {{include: [{{name: A, value: b}}]}}}}\n"
        );
        let stack = parse("m", &text).unwrap();
        let links = links::Links::of(&stack, boathouse_types::DeploymentStage::Production);
        assert!(links.part(&"web".parse().unwrap()).unwrap().imports.contains_key(&key("A")), "{text}");
    }
}

/// Manifests that older versions kept with their releases say nothing of what came later.
#[test]
fn a_kept_manifest_without_the_newer_keys_is_read() {
    let kept = r#"{"kind":"build","folder":".","dockerfile":"Dockerfile","target":null,"args":{}}"#;
    let origin: Origin = serde_json::from_str(kept).unwrap();
    assert!(matches!(&origin, Origin::Build { secrets, .. } if secrets.is_empty()));
    assert_eq!(serde_json::to_string(&origin).unwrap(), kept);
    let kept = r#"{"name":null,"components":[{"identifier":"web","name":"Web","origin":{"kind":"folder","folder":"."},"files":null,"port":null,"health":{"path":null,"port":null,"timeout_s":120},"env":{"A":"b"},"volumes":[{"identifier":"data","path":"/data"}],"command":null,"resources":{"memory_bytes":null,"cpu_millis":null},"hosts":[{"identifier":"web","path":"/"}]}],"addons":[]}"#;
    let stack: Stack = serde_json::from_str(kept).unwrap();
    assert_eq!(stack.components[0].volumes[0].path, "/data");
    assert_eq!(serde_json::to_string(&stack).unwrap(), kept);
}

#[test]
fn errors_name_place_and_remedy() {
    let with = |line: &str| format!("components:\n  - identifier: web\n    {line}\n");
    let addon = |line: &str| format!("components:\n  - identifier: a\naddons:\n  - identifier: db\n    {line}\n");
    let cases: &[(String, &str)] = &[
        (with("hosst: []"), "boathouse.yaml:3:5: unknown key \"hosst\"; did you mean \"hosts\"?"),
        (with("zzzzzzzz: 1"), "boathouse.yaml:3:5: unknown key \"zzzzzzzz\"; known here:"),
        (
            "port: 80\n".into(),
            "boathouse.yaml:1:1: misplaced key \"port\": it belongs in a component or a host or `health` or an add-on, not in the root of the manifest",
        ),
        (
            addon("image: a\n    hosts: []"),
            "boathouse.yaml:6:5: misplaced key \"hosts\": it belongs in a component, not in an add-on",
        ),
        (with("include: []"), "misplaced key \"include\": it belongs in `env`, not in a component"),
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
        (with("containerCommands: {start: x}"), "unknown key \"start\"; known here: developmentStart, productionStart"),
        (with("release: {befor: migrate}"), "boathouse.yaml:3:15: unknown key \"befor\"; did you mean \"before\"?"),
        (with("release: {before: \"a 'b\"}"), "boathouse.yaml:3:23: before: the quote ' does not end"),
        (with("release: {after: []}"), "boathouse.yaml:3:22: after: there is no program to run"),
        (with("release: {before: [[a]]}"), "boathouse.yaml:3:24: a word must be one word or text"),
        (
            with("release: {before: a, limit: 3601}"),
            "boathouse.yaml:3:33: limit: \"3601\" is not a number from 1 to 3600",
        ),
        (with("release: {limit: 5}"), "boathouse.yaml:3:22: `limit` is for the commands of a release"),
        (with("release: npm run migrate"), "boathouse.yaml:3:14: release must be a mapping"),
        (with("static: x\n    release: {before: a}"), "boathouse.yaml:4:14: \"web\" is files that are served"),
        (
            addon("image: a\n    release: {before: a}"),
            "boathouse.yaml:6:5: misplaced key \"release\": it belongs in a component, not in an add-on",
        ),
        (with("replicas: 0"), "boathouse.yaml:3:15: replicas: \"0\" is not a number from 1 to 20"),
        (with("replicas: 21"), "is not a number from 1 to 20"),
        (
            with("static: x\n    replicas: 2"),
            "boathouse.yaml:4:15: replicas: \"web\" cannot have 2 containers: it is files",
        ),
        (
            with("replicas: 3\n    volumes: [{identifier: data, path: /data}]"),
            "boathouse.yaml:3:15: replicas: \"web\" cannot have 3 containers: they would write to the volume \"data\" at the same time",
        ),
        (
            addon("image: a\n    replicas: 2"),
            "boathouse.yaml:6:5: misplaced key \"replicas\": it belongs in a component, not in an add-on",
        ),
        (with("build: {cache: no}"), "boathouse.yaml:3:20: cache must be true or false"),
        (with("build: {limits: {time: 0}}"), "boathouse.yaml:3:28: time: \"0\" is not a number from 1 to 86400"),
        (with("build: {limits: {memory: 1MiB}}"), "is not a size of at least 6 MiB"),
        (with("build: {limits: {tim: 5}}"), "boathouse.yaml:3:22: unknown key \"tim\"; did you mean \"time\"?"),
        (with("volumes: [{identifier: data}]"), "the volume \"data\" has no path"),
        (with("volumes: [{identifier: data, path: data}]"), "cannot be mounted"),
        (with("volumes: [{identifier: data, path: /proc/x}]"), "cannot be mounted"),
        (
            with("schedules: [{identifier: n, command: a}]"),
            "the schedule \"n\" has no cron: add `cron: \"30 2 * * *\"`",
        ),
        (
            with("schedules: [{identifier: n, cron: '61 * * * *', command: a}]"),
            "boathouse.yaml:3:39: cron: \"61 * * * *\" is no cron expression",
        ),
        (with("schedules: [{identifier: n, cron: '0 0 30 2 *', command: a}]"), "names no time that ever comes"),
        (with("schedules: [{identifier: n, cron: '@daily', zone: Berlin, command: a}]"), "\"Berlin\" is no time zone"),
        (with("schedules: [{identifier: n, cron: '@daily', command: []}]"), "command: "),
        (
            with("schedules: [{identifier: n, cron: '@daily', command: a, overlap: both}]"),
            "is none of skip, queue, beside",
        ),
        (
            with(
                "schedules: [{identifier: n, cron: '@daily', command: a}, {identifier: n, cron: '@daily', command: b}]",
            ),
            "the identifier \"n\" is used twice",
        ),
        (
            with("static: x\n    schedules: [{identifier: n, cron: '@daily', command: a}]"),
            "no container that runs commands",
        ),
        (with("resources: {memory: lots}"), "is not a size"),
        (with("resources: {cpus: -1}"), "is not a number of cores"),
        (with("health: {path: x}"), "is not a path"),
        (with("hosts: [{identifier: A_b}]"), "boathouse.yaml:3:26: identifier: \"A_b\" is not a identifier"),
        (with("hosts: [{}, {}]"), "the identifier \"web\" is used twice"),
        (
            with("env: {include: [cache.*]}"),
            "boathouse.yaml:3:21: cannot import cache.*: \"cache\" is neither a component nor an add-on of this stack; there are: web",
        ),
        (with("env: {include: [cach*]}"), "no other component or add-on of this stack begins like \"cach*\""),
        (with("env: {include: [web]}"), "for all variables of web write web.*"),
        (with("env: {include: [{name: A-B, value: x}]}"), "is not a environment variable name"),
        (with("env: {include: [{value: x}]}"), "this variable has no name"),
        (with("env: {include: [{name: A, value: x, path: b.C}]}"), "give either `value`"),
        (
            with("env: {include: [{name: A, value: '${B:-c}'}]}"),
            "boathouse.yaml:3:38: the value of A: `${B:-c}` is not a placeholder",
        ),
        (
            with("env: {include: [{name: A, value: 'x${B}'}, {name: B, value: '${A}'}]}"),
            "variables read each other in a circle: web.A → web.B → web.A",
        ),
        (
            addon("image: a\n    env: {include: [{name: USR, value: x}]}")
                .replace("- identifier: a\n", "- {identifier: a, env: {include: [db.USER]}}\n"),
            "boathouse.yaml:2:37: cannot import db.USER: \"db\" exports no variable USER; did you mean \"USR\"?",
        ),
        (with("package: ../x"), "package: \"../x\" is not a package"),
        (with("name: a\n    name: b"), "given twice"),
        (with("name: &a x"), "anchors"),
        (with("name: !!str x"), "tags"),
        (
            "type: addon\ncomponents: [{identifier: a}]\n".into(),
            "boathouse.yaml:1:7: type: \"addon\" marks the manifest of a package",
        ),
        ("type: startr\ncomponents: [{identifier: a}]\n".into(), "did you mean \"starter\"?"),
        ("diploiVersion: v2.0\ncomponents: [{identifier: a}]\n".into(), "is not a version that is known here"),
        ("components:\n  - name: Web\n".into(), "boathouse.yaml:2:5: this component has no identifier"),
        (
            "components:\n  - identifier: web\n  - identifier: web\n".into(),
            "boathouse.yaml:3:5: the identifier \"web\" is used twice",
        ),
        (
            "components:\n  - identifier: web\naddons:\n  - {identifier: web, image: a}\n".into(),
            "boathouse.yaml:4:5: the identifier \"web\" is used twice",
        ),
        ("components:\n  - identifier: Web\n".into(), "is not a identifier"),
        (
            addon("package: nothing"),
            "boathouse.yaml:5:14: the add-on \"db\" needs the package \"nothing\", which is not in the catalog",
        ),
        (addon("package: https://example.com/x#v1"), "which was not fetched"),
        (addon("name: x"), "needs a package or an image"),
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
fn everything_that_is_wrong_is_told_at_once_and_in_order() {
    let text = "nam: x\ncomponents:\n  - identifier: A\n    prot: 80\n  - identifier: web\n    port: 0\n";
    let errors = read_manifest("m", text).unwrap_err();
    let places: Vec<_> = errors.0.iter().map(|error| (error.line, error.column)).collect();
    assert_eq!(places, [(1, 1), (3, 17), (4, 5), (6, 11)], "{errors}");
}

#[test]
fn a_billion_laughs_and_a_deep_nest_are_refused() {
    let laughs = "a: &a [x,x]\nb: &b [*a,*a]\ncomponents: [*b]\n";
    assert!(parse("m", laughs).is_err());
    assert!(parse("m", &"[".repeat(10_000)).is_err());
    assert!(parse("m", &format!("name: {}", "x".repeat(300_000))).is_err());
    let chain: String = (0..3000).map(|at| format!("{{name: A{at}, value: '${{A{}}}'}},", at + 1)).collect();
    let chain = format!("components: [{{identifier: a, env: {{include: [{chain}]}}}}]\n");
    assert!(parse("m", &chain).unwrap_err().message.contains("in a row"));
}

#[test]
fn a_package_makes_an_add_on_and_the_manifest_wins_over_it() {
    let text = "components:\n  - identifier: web\n    env: {include: [db.*, db.POSTGRES_USER:DB_USER, '*']}\naddons:\n  - identifier: db\n    name: Database\n    package: postgres#17\n    env: {include: [{name: POSTGRES_DB, value: shop}]}\n    resources: {memory: 1GiB}\n";
    let manifest = read_manifest("m", text).unwrap();
    let stack = resolve(&manifest, &|url| (url.url() == "postgres").then(postgres)).unwrap();
    let db = &stack.addons[0];
    assert_eq!((db.name.as_str(), db.port, db.hosts.len()), ("Database", Some(5432), 0));
    assert_eq!(db.origin, Origin::Image { image: "postgres:17".parse().unwrap() });
    assert_eq!(
        (db.volumes[0].identifier.as_str(), db.volumes[0].path.as_str()),
        ("db-data", "/var/lib/postgresql/data")
    );
    assert_eq!(db.package.as_ref().unwrap().name.as_deref(), Some("PostgreSQL"));
    let links = links::Links::of(&stack, boathouse_types::DeploymentStage::Production);
    let imports = &links.part(&"web".parse().unwrap()).unwrap().imports;
    let names: Vec<&str> = imports.keys().map(EnvKey::as_str).collect();
    assert_eq!(
        names,
        ["DATABASE_URL", "DB_USER", "POSTGRES_DB", "POSTGRES_HOST", "POSTGRES_PASSWORD", "POSTGRES_USER"]
    );
    let error = resolve(&read_manifest("m", &text.replace("db.POSTGRES_USER", "db.POSTGRES_USR")).unwrap(), &|_| {
        Some(postgres())
    });
    assert!(error.unwrap_err().to_string().contains("did you mean \"POSTGRES_USER\"?"));
    let wrong = read_manifest("m", "components:\n  - {identifier: db, package: postgres}\n").unwrap();
    let error = resolve(&wrong, &|_| Some(postgres())).unwrap_err();
    assert_eq!(error.to_string(), "m:2:31: PostgreSQL is an add-on: move \"db\" to `addons:`");
}

#[test]
fn a_package_makes_a_component_and_what_it_depends_on() {
    let package = package::tests::n8n();
    let packages = |url: &PackageUrl| match url.url().as_str() {
        "n8n" => Some(package.clone()),
        "postgres" => Some(postgres()),
        _ => None,
    };
    let manifest = read_manifest("m", "components:\n  - {identifier: flow, package: n8n}\n").unwrap();
    let stack = resolve(&manifest, &packages).unwrap();
    let flow = &stack.components[0];
    let provided = flow.provided.as_ref().unwrap();
    assert_eq!((provided.production.as_str(), flow.port), ("FROM n8n\n", Some(5678)));
    assert_eq!(flow.hosts[0].identifier.as_str(), "app");
    assert_eq!(flow.imports[0].to_string(), "postgres.POSTGRES_HOST:DB_HOST");
    assert_eq!(stack.addons[0].identifier.as_str(), "postgres", "an add-on that it needs comes with it");
    assert_eq!(flow.depends_on, [stack.addons[0].identifier.clone()]);
    let error = resolve(&manifest, &|url| packages(url).filter(|package| package.name == "n8n")).unwrap_err();
    assert!(error.to_string().contains("n8n needs an add-on \"postgres\""), "{error}");
    let own =
        read_manifest("m", "components:\n  - {identifier: flow, package: n8n, build: {dockerfile: My}}\n").unwrap();
    assert_eq!(resolve(&own, &packages).unwrap().components[0].provided, None);
}

/// The names that a part may be asked for, with and without a host named `app`.
#[test]
fn a_component_exports_the_addresses_of_its_hosts() {
    let text = "components:\n  - {identifier: web, hosts: [{identifier: shop-front}, {identifier: admin}]}\n  - {identifier: api, env: {include: [web.APP_ENDPOINT:SITE, web.SHOP_FRONT_ENDPOINT, web.ADMIN_ENDPOINT, api.API_ENDPOINT:SELF]}}\n";
    let stack = parse("m", text).unwrap();
    let links = links::Links::of(&stack, boathouse_types::DeploymentStage::Production);
    let imports = &links.part(&"api".parse().unwrap()).unwrap().imports;
    assert_eq!(
        imports.keys().map(EnvKey::as_str).collect::<Vec<_>>(),
        ["ADMIN_ENDPOINT", "SELF", "SHOP_FRONT_ENDPOINT", "SITE"]
    );
}

#[test]
fn every_key_is_documented() {
    let page = include_str!("../../../docs/MANIFEST.md");
    let block = page.split("```").find(|block| block.contains("diploiVersion:")).expect("the page shows all keys");
    super::conform::visit(&super::grammar::MANIFEST, &mut |shape| {
        for key in shape.keys {
            assert!(
                block.contains(&format!("{}:", key.name)),
                "{} has a key {} that the page does not show",
                shape.noun,
                key.name
            );
        }
    });
}

#[test]
fn several_containers_share_what_says_so() {
    let api = &parse("m", FULL).unwrap().components[1];
    assert!(api.volumes[0].shared);
    assert_eq!(api.replicas(DeploymentStage::Staging).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(api.replicas(DeploymentStage::Development).collect::<Vec<_>>(), [None]);
    let Origin::Build { no_cache, limits, .. } = &api.origin else { panic!("it is built") };
    let own = BuildOwnLimits { memory_bytes: Some(1 << 30), cpu_millis: Some(500), time_s: Some(600) };
    assert_eq!((*no_cache, *limits), (true, own));
    let cached = parse("m", "components: [{identifier: web, build: {cache: true}}]").unwrap();
    assert!(matches!(cached.components[0].origin, Origin::Build { no_cache: false, .. }));
}

#[test]
fn empty_sets_of_a_build_are_empty() {
    let stack = parse("m", "components:\n  - identifier: web\n").unwrap();
    let plain = Origin::Build {
        folder: "web".into(),
        dockerfile: "Dockerfile".into(),
        target: None,
        args: BTreeMap::new(),
        secrets: BTreeSet::new(),
        no_cache: false,
        limits: BuildOwnLimits::default(),
    };
    assert_eq!(stack.components[0].origin, plain);
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
            Just("]"), Just("&a"), Just("*a"), Just("static: /"), Just("hosts:"), Just("env:"), Just("include:"), Just("*"), Just("a.B"),
            Just("\""), Just("|"), Just(">"), Just("value: ${"), Just("addons:"), Just("package: postgres"),
            Just("\t"), Just("? "), Just(": "), Just("#"), Just("---"), Just("..."), Just("!!int"), Just("\u{0}"), Just("é")
        ], 0..40)) {
        let _ = parse("m", &words.concat());
    }
}
