//! Which value each variable gets, and from whom.

use boathouse_types::SharedScope;
use proptest::prelude::*;

use super::*;
use crate::error::{Result, invalid};
use crate::stack::package::tests::{parameter, postgres};
use crate::stack::package::{Package, ParameterKind};
use crate::stack::{parse, read_manifest};

/// Pieces that tell what they are for.
struct Telling;

impl Supply for Telling {
    fn piece(&mut self, part: &Identifier, key: &EnvKey, nth: usize, generator: Generator) -> Result<String> {
        Ok(format!("<{part}.{key}.{nth} {generator}>"))
    }

    fn missing(&mut self, part: &Identifier, reader: &EnvKey, key: &EnvKey) -> Result<String> {
        Err(invalid(format!("{part}.{reader} reads {key}")))
    }
}

fn facts(stage: DeploymentStage) -> Facts {
    let endpoint = |component: &str, host: &str, url: &str| Endpoint {
        component: component.parse().unwrap(),
        host: host.parse().unwrap(),
        url: url.into(),
    };
    Facts {
        stage,
        public_url: Some("https://a.test".into()),
        endpoints: vec![endpoint("web-app", "web-app", "https://a.test"), endpoint("api", "app", "https://api.test")],
        exposed: BTreeMap::from([("api".parse().unwrap(), vec![3000])]),
        issued_at: 1_000_000,
        outward: Vec::new(),
    }
}

fn layer(source: VariableSource, component: Option<&str>, key: &str, value: &str) -> Layer {
    Layer {
        source,
        component: component.map(|name| name.parse().unwrap()),
        key: key.parse().unwrap(),
        value: value.into(),
        secret: true,
    }
}

fn shared(scope: SharedScope, key: &str, value: &str) -> Layer {
    layer(VariableSource::Shared { scope }, None, key, value)
}

fn made(text: &str, layers: &[Layer]) -> Environment {
    let stack = parse("m", text).unwrap();
    resolve(&stack, &facts(DeploymentStage::Production), layers, &mut Telling).unwrap()
}

fn get<'a>(environment: &'a Environment, part: &str, key: &str) -> Option<&'a str> {
    variable(environment, part, key).map(|variable| variable.value.as_str())
}

fn variable<'a>(environment: &'a Environment, part: &str, key: &str) -> Option<&'a Variable> {
    environment[&part.parse().unwrap()].get(&key.parse().unwrap())
}

const TWO: &str = "components:
  - identifier: web-app
    env: {include: [{name: A, value: manifest}, {name: PORT, value: '1'}]}
  - identifier: api
    hosts: [{identifier: app}]
    env: {include: [db.X, db.X:Y, web-app.WEB_APP_ENDPOINT:SITE, web-app.APP_ENDPOINT:SAME]}
    development: {env: {include: [{name: X, value: dev}]}}
addons:
  - {identifier: db, image: a, env: {include: [{name: X, value: y}]}}
";

#[test]
fn later_sources_win_and_add_ons_get_only_their_own() {
    let custom = |component, key, value| layer(VariableSource::Custom, component, key, value);
    let layers = [
        shared(SharedScope::Instance, "S", "instance"),
        shared(SharedScope::Project, "S", "project"),
        custom(None, "A", "all"),
        custom(Some("api"), "B", "own"),
        custom(Some("db"), "PW", "pw"),
    ];
    let made = made(TWO, &layers);
    assert_eq!((get(&made, "web-app", "A"), get(&made, "web-app", "PORT")), (Some("all"), Some("1")));
    let a = variable(&made, "web-app", "A").unwrap();
    assert_eq!((&a.source, &a.overridden[..]), (&VariableSource::Custom, &[VariableSource::Manifest][..]));
    assert_eq!(get(&made, "api", "S"), Some("project"));
    assert_eq!(
        (get(&made, "api", "PORT"), get(&made, "api", "B"), get(&made, "web-app", "B")),
        (Some("3000"), Some("own"), None)
    );
    assert_eq!(
        (get(&made, "api", "WEB_APP_ENDPOINT"), get(&made, "api", "APP_ENDPOINT")),
        (Some("https://a.test"), Some("https://api.test"))
    );
    assert_eq!(get(&made, "api", "STAGE"), Some("production"));
    assert_eq!(
        (get(&made, "api", "X"), get(&made, "api", "Y"), get(&made, "api", "SITE"), get(&made, "api", "SAME")),
        (Some("y"), Some("y"), Some("https://a.test"), Some("https://a.test"))
    );
    let y = &variable(&made, "api", "Y").unwrap().source;
    assert_eq!(*y, VariableSource::Import { from: "db".parse().unwrap(), key: "X".parse().unwrap() });
    let of_db: Vec<&str> = made[&"db".parse().unwrap()].keys().map(EnvKey::as_str).collect();
    assert_eq!(of_db, ["PW", "X"]);
    let development =
        resolve(&parse("m", TWO).unwrap(), &facts(DeploymentStage::Development), &[], &mut Telling).unwrap();
    assert_eq!((get(&development, "api", "X"), get(&development, "api", "Y")), (Some("dev"), Some("y")));
}

#[test]
fn what_an_exporter_was_given_is_what_the_importer_gets() {
    let made = made(TWO, &[layer(VariableSource::Custom, Some("db"), "X", "changed")]);
    assert_eq!((get(&made, "db", "X"), get(&made, "api", "Y")), (Some("changed"), Some("changed")));
    assert!(variable(&made, "api", "Y").unwrap().secret, "it stays a secret");
}

fn with_postgres(text: &str) -> Stack {
    super::super::resolve(&read_manifest("m", text).unwrap(), &|_| Some(postgres())).unwrap()
}

#[test]
fn rotated_credentials_reach_everything_made_of_them_and_come_back_into_no_repeated_release() {
    let rotate = crate::stack::package::Rotate {
        key: "POSTGRES_PASSWORD".parse().unwrap(),
        user: Some("POSTGRES_USER".parse().unwrap()),
        begin: vec!["true".into()],
        end: None,
    };
    let text = "components:\n  - {identifier: api, env: {include: [db.*]}}\naddons:\n  - {identifier: db, package: postgres}\n";
    let package = Package { rotate: Some(rotate), ..postgres() };
    let stack = super::super::resolve(&read_manifest("m", text).unwrap(), &|_| Some(package.clone())).unwrap();
    let rotated = |key, value| Layer {
        secret: false,
        ..layer(VariableSource::Package { package: "rotated".into() }, Some("db"), key, value)
    };
    let layers = [rotated("POSTGRES_USER", "postgres_b"), rotated("POSTGRES_PASSWORD", "fresh")];
    let made = |layers: &[Layer]| resolve(&stack, &facts(DeploymentStage::Production), layers, &mut Telling).unwrap();
    let (before, after) = (made(&[]), made(&layers));
    for part in ["db", "api"] {
        assert_eq!(get(&after, part, "DATABASE_URL"), Some("postgres://postgres_b:fresh@db:5432/app"), "{part}");
        let secret = |key| variable(&after, part, key).unwrap().secret;
        assert_eq!((secret("POSTGRES_PASSWORD"), secret("POSTGRES_USER")), (true, false), "{part}");
    }
    // A rollback takes what is generated from now: the login name, too, also before the first rotation.
    for key in ["POSTGRES_USER", "POSTGRES_PASSWORD", "DATABASE_URL"] {
        for environment in [&before, &after] {
            assert!(variable(environment, "api", key).unwrap().generated, "{key}");
        }
    }
    let by_hand = layer(VariableSource::Custom, Some("db"), "POSTGRES_PASSWORD", "mine");
    let made = made(&[layers[1].clone(), by_hand]);
    assert_eq!(get(&made, "api", "POSTGRES_PASSWORD"), Some("mine"));
}

#[test]
fn a_package_gives_its_parameters_and_a_url_is_encoded() {
    let stack = with_postgres(
        "components:\n  - {identifier: api, env: {include: [db.*]}}\naddons:\n  - {identifier: db, package: postgres}\n",
    );
    let password = layer(VariableSource::Custom, Some("db"), "POSTGRES_PASSWORD", "p@ss/w:rd%");
    let made = resolve(&stack, &facts(DeploymentStage::Production), &[password], &mut Telling).unwrap();
    assert_eq!(get(&made, "api", "POSTGRES_PASSWORD"), Some("p@ss/w:rd%"));
    assert_eq!(get(&made, "api", "DATABASE_URL"), Some("postgres://postgres:p%40ss%2Fw%3Ard%25@db:5432/app"));
    assert_eq!(get(&made, "db", "POSTGRES_HOST"), Some("db"));
    assert_eq!(
        variable(&made, "db", "POSTGRES_HOST").unwrap().source,
        VariableSource::Package { package: "PostgreSQL".into() }
    );
    let fresh = resolve(&stack, &facts(DeploymentStage::Production), &[], &mut Telling).unwrap();
    let generated = "<db.POSTGRES_PASSWORD.0 generate-random-password:24>";
    assert_eq!(
        (get(&fresh, "db", "POSTGRES_PASSWORD"), get(&fresh, "api", "POSTGRES_PASSWORD")),
        (Some(generated), Some(generated))
    );
    let url = variable(&fresh, "api", "DATABASE_URL").unwrap();
    assert!(url.secret && url.generated, "what is made of a secret is one");
}

#[test]
fn templates_read_other_variables_and_their_own_name_below_them() {
    let text = "components:
  - identifier: api
    env:
      include:
        - db.DATABASE_URL
        - {name: DATABASE_URL, value: '${DATABASE_URL}?pool=5'}
        - {name: KEY, value: 'base64:${generate-random-bytes:32}-${generate-random-bytes:32}'}
        - {name: TOKEN, value: '${generate-jwt:KEY:role=anon}'}
        - {name: TEXT, value: '$${HOME} ${STAGE} $5'}
addons:
  - {identifier: db, image: a, env: {include: [{name: DATABASE_URL, value: x}]}}
";
    let made = made(text, &[]);
    assert_eq!(get(&made, "api", "DATABASE_URL"), Some("x?pool=5"));
    assert_eq!(
        get(&made, "api", "KEY"),
        Some("base64:<api.KEY.0 generate-random-bytes:32>-<api.KEY.1 generate-random-bytes:32>")
    );
    assert_eq!(get(&made, "api", "TEXT"), Some("${HOME} production $5"));
    let token = variable(&made, "api", "TOKEN").unwrap();
    assert!(token.secret && token.generated && token.value.matches('.').count() == 2);
}

#[test]
fn a_set_value_is_taken_as_it_is_and_a_missing_one_refuses() {
    let text = "components:\n  - {identifier: api, env: {include: [{name: A, value: 'x ${B}'}]}}\n";
    let made = made(text, &[layer(VariableSource::Custom, None, "B", "${A} $${C} \n\"'")]);
    assert_eq!(get(&made, "api", "A"), Some("x ${A} $${C} \n\"'"));
    let error =
        resolve(&parse("m", text).unwrap(), &facts(DeploymentStage::Production), &[], &mut Telling).unwrap_err();
    assert_eq!(error.message, "api.A reads B");
    let unknown = "components:\n  - {identifier: a, env: {include: [b.SECRET:S]}}\n  - {identifier: b, package: https://example.com/x}\n";
    let error =
        resolve(&parse("m", unknown).unwrap(), &facts(DeploymentStage::Production), &[], &mut Telling).unwrap_err();
    assert!(
        error.message.contains("imports b.SECRET:S") && error.message.contains("https://example.com/x"),
        "{}",
        error.message
    );
}

#[test]
fn builds_get_static_values_and_never_secrets() {
    let text = "components:
  - identifier: web
    build: {args: {URL: 'https://${NAME}.test', KEY: '${generate-random-password:8}'}, secrets: [NPM_TOKEN]}
    env:
      include:
        - {name: NAME, value: shop}
        - {name: SECRET, value: '${generate-random-password:16}'}
        - {name: OF_SECRET, value: 'x${SECRET}'}
        - {name: OF_CUSTOM, value: 'x${CUSTOM}'}
        - {name: LATER, value: 'x${NOT_SET}'}
";
    let stack = parse("m", text).unwrap();
    let layers =
        [layer(VariableSource::Custom, None, "CUSTOM", "hidden"), layer(VariableSource::Custom, None, "NAME", "own")];
    let args = build_args(&stack, &stack.components[0], &facts(DeploymentStage::Production), &layers).unwrap();
    assert_eq!(args.values.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["NAME=shop"]);
    let left_out: Vec<&str> = args.left_out.iter().map(String::as_str).collect();
    assert_eq!(left_out, ["KEY", "LATER", "OF_CUSTOM", "OF_SECRET", "SECRET", "URL"]);
    let plain = build_args(&stack, &stack.components[0], &facts(DeploymentStage::Production), &[]).unwrap();
    assert_eq!(plain.values["URL"], "https://shop.test");
}

fn leaky(name: &str, value: &str) -> Package {
    Package { parameters: vec![parameter(name, value, ParameterKind::String)], ..postgres() }
}

#[test]
fn settings_of_the_server_reach_components_and_everybody_may_say_otherwise() {
    let outward = |key: &str, value: &str, setting| Outward {
        key: key.parse().unwrap(),
        value: value.into(),
        secret: value.contains('@'),
        setting,
    };
    let mut facts = facts(DeploymentStage::Development);
    let proxy = "http://user:password@proxy.test:3128";
    facts.outward = vec![outward("HTTPS_PROXY", proxy, "--proxy"), outward("PIP_CERT", "/ca", "--ca-bundle")];
    let text = "components:\n  - {identifier: web, env: {include: [{name: PIP_CERT, value: /mine}, api.HTTPS_PROXY:NEVER]}}\n  - {identifier: api}\n";
    let stack = parse("m", &text.replace(", api.HTTPS_PROXY:NEVER", "")).unwrap();
    let layers = [layer(VariableSource::Custom, Some("api"), "HTTPS_PROXY", "")];
    let made = resolve(&stack, &facts, &layers, &mut Telling).unwrap();
    let of = |part: &str, key: &str| made[&part.parse().unwrap()][&key.parse().unwrap()].clone();
    let setting = |setting: &str| VariableSource::Setting { setting: setting.into() };
    let proxied = of("web", "HTTPS_PROXY");
    assert_eq!((proxied.value.as_str(), proxied.secret, proxied.source), (proxy, true, setting("--proxy")));
    let own = of("web", "PIP_CERT");
    assert_eq!(
        (own.value.as_str(), own.source, own.overridden),
        ("/mine", VariableSource::Manifest, vec![setting("--ca-bundle")])
    );
    assert_eq!((of("api", "HTTPS_PROXY").value.as_str(), of("api", "PIP_CERT").secret), ("", false));
    let stack = parse("m", "components: [{identifier: web}]\naddons: [{identifier: db, image: x}]\n").unwrap();
    let made = resolve(&stack, &facts, &[], &mut Telling).unwrap();
    assert!(made[&"db".parse().unwrap()].is_empty(), "an add-on needs no way out");
    // What the server gives to one part is nothing that another could import.
    let exported = parse("m", text).and_then(|stack| resolve(&stack, &facts, &[], &mut Telling));
    assert!(exported.is_err());
}

proptest! {
    /// A variable of a part comes from the platform, from what is written for it, or from a part that it names: nothing else
    /// ever gets in, and another deployment's values cannot, because there is no way to name them.
    #[test]
    fn nothing_is_invented_and_nothing_leaks(
        names in proptest::collection::btree_set("[A-D]", 1..4),
        imported in proptest::collection::vec((0..3_usize, "[A-D]"), 0..4),
        secret in "[a-z]{8}",
    ) {
        let parts = ["a", "b", "c"];
        let mut text = "components:\n".to_owned();
        for (at, part) in parts.iter().enumerate() {
            text.push_str(&format!("  - identifier: {part}\n    env:\n      include:\n"));
            for name in &names {
                text.push_str(&format!("        - {{name: {part}_{name}, value: {secret}-{part}}}\n", part = part.to_uppercase()));
            }
            for (from, name) in imported.iter().filter(|(from, name)| *from != at && names.contains(name)) {
                let from = parts[*from];
                text.push_str(&format!("        - {from}.{}_{name}:GOT_{}_{name}\n", from.to_uppercase(), from.to_uppercase()));
            }
        }
        text.push_str("addons:\n  - {identifier: lonely, package: x}\n");
        let manifest = read_manifest("m", &text).unwrap();
        let stack = super::super::resolve(&manifest, &|_| Some(leaky("L", &secret))).unwrap();
        let made = resolve(&stack, &facts(DeploymentStage::Production), &[], &mut Telling).unwrap();
        for part in parts {
            for (key, variable) in &made[&part.parse().unwrap()] {
                let own = key.as_str().starts_with(&format!("{}_", part.to_uppercase()));
                match &variable.source {
                    VariableSource::Automatic => prop_assert!(!variable.value.contains(&secret)),
                    VariableSource::Manifest => prop_assert!(own && variable.value.ends_with(&part.to_uppercase())),
                    VariableSource::Import { from, .. } => {
                        prop_assert!(key.as_str().starts_with("GOT_") && variable.value.ends_with(&from.as_str().to_uppercase()));
                    }
                    other => prop_assert!(false, "{key} from {other}"),
                }
            }
        }
        prop_assert_eq!(made[&"lonely".parse().unwrap()].len(), 1);
    }
}
