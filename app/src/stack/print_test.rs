//! Whatever a manifest can say, printed and read again it says the same.

use boathouse_types::{BackupPolicy, DeploymentStage, EnvKey, Identifier, Overlap, Redirect};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::super::manifest::At;
use super::super::policy::{BasicAuth, Domain, EdgePolicy, HeaderEdits, HeaderRules, RequestLimits};
use super::super::read_manifest;
use super::super::template::Template;
use super::*;

/// Any text, with what YAML gives a meaning.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[a-z]{1,8}",
        "[-:#{}\\[\\],&*!|>'\"%@` \\\\\n\r\t0-9~$?\u{7f}\u{1}\u{85}\u{2028}\u{feff}]{0,10}",
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("0x1F".to_owned()),
        Just("1e3".to_owned()),
        Just("- a".to_owned()),
        Just("---".to_owned()),
    ]
}

fn identifier() -> impl Strategy<Value = Identifier> {
    "[a-z]([a-z0-9-]{0,6}[a-z0-9])?".prop_map(|text| text.parse().unwrap())
}

fn env_key() -> impl Strategy<Value = EnvKey> {
    "[A-Za-z_][A-Za-z0-9_]{0,6}".prop_map(|text| text.parse().unwrap())
}

fn include() -> impl Strategy<Value = Vec<Include>> {
    let import = prop_oneof![
        Just("*"),
        Just("postgres.*"),
        Just("postgres.POSTGRES_*"),
        Just("post*"),
        Just("a.B"),
        Just("a.B:C"),
        Just("*.APP_ENDPOINT")
    ];
    let import = import.prop_map(|text| Include::Import { import: text.parse().unwrap(), at: At::default() });
    let value = prop_oneof![text(), Just("${A} $${B} ${generate-random-password:16}".to_owned())];
    let value = value.prop_filter("a template", |value| Template::parse(value).is_ok());
    let fixed = (env_key(), value).prop_map(|(key, value)| Include::Static { key, value, at: At::default() });
    vec(prop_oneof![import, fixed], 0..4)
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("a/b c".to_owned()), Just("ä.b/-".to_owned())]
}

fn build() -> impl Strategy<Value = Build> {
    let args = btree_map(text(), text().prop_filter("a template", |value| Template::parse(value).is_ok()), 0..3);
    let limits = (of((6 << 20)..(1_u64 << 40)), of(10..1_000_000_u32), of(1..86_400_u32))
        .prop_map(|(memory_bytes, cpu_millis, time_s)| BuildOwnLimits { memory_bytes, cpu_millis, time_s });
    let how = (any::<bool>(), limits);
    (of(path()), of(text()), args, btree_set(env_key(), 0..3), how).prop_map(
        |(dockerfile, target, args, secrets, (no_cache, limits))| {
            let secrets = secrets.into_iter().filter(|key: &EnvKey| !args.contains_key(key.as_str())).collect();
            Build { dockerfile, target, args, secrets, no_cache, limits }
        },
    )
}

/// What an image or a build is made from, and the files in it: what excludes each other is never there together.
fn made_from() -> impl Strategy<Value = (Option<String>, Option<Build>, Option<Site>)> {
    let site = |path: &'static str| {
        (Just(path), any::<bool>()).prop_map(|(path, spa)| Site { path: path.into(), spa, at: At::default() })
    };
    prop_oneof![
        Just((None, None, None)),
        site("dist").prop_map(|site| (None, None, Some(site))),
        (build(), of(site("/app/dist"))).prop_map(|(build, site)| (None, Some(build), site)),
        of(site("out")).prop_map(|site| (Some("ghcr.io/a/b:1".to_owned()), None, site)),
    ]
}

fn hosts() -> impl Strategy<Value = Option<Vec<HostEntry>>> {
    let host = (of(text()), of(1..=u16::MAX), of(prop_oneof![Just("/".to_owned()), Just("/a:b,{c}".to_owned())]));
    of(btree_map(identifier(), host, 0..3)).prop_map(|hosts| {
        let entry = |(identifier, (name, port, path))| HostEntry { identifier: Some(identifier), name, port, path };
        Some(hosts?.into_iter().map(entry).collect())
    })
}

fn release() -> impl Strategy<Value = Option<(ReleaseCommands, At)>> {
    let argv = || ("[a-z]{1,6}", vec(text(), 0..3)).prop_map(|(program, words)| [vec![program], words].concat());
    let commands = prop_oneof![
        (argv(), of(argv())).prop_map(|(before, after)| (Some(before), after)),
        argv().prop_map(|after| (None, Some(after)))
    ];
    of((commands, of(1..=3600_u32))
        .prop_map(|((before, after), limit_s)| (ReleaseCommands { before, after, limit_s }, At::default())))
}

fn schedules(component: bool) -> impl Strategy<Value = Vec<ScheduleEntry>> {
    let when =
        (prop_oneof![Just("30 2 * * mon-fri"), Just("@hourly"), Just("*/5 0,12 * jan 1-5")], of(Just("Europe/Berlin")));
    let how = (
        any::<bool>(),
        of(prop_oneof![Just(Overlap::Skip), Just(Overlap::Queue), Just(Overlap::Beside)]),
        of(1..86_400_u32),
        any::<bool>(),
    );
    // Unique in the whole stack: the names of an add-on's begin with another letter, and only the first part of each kind has any.
    let names = if component { "c[a-z]{0,4}" } else { "d[a-z]{0,4}" };
    btree_map(names, (when, "[a-z]{1,5}", vec(text(), 0..3), how), 0..3).prop_map(|schedules| {
        let entry =
            |(identifier, ((cron, zone), program, arguments, how)): (String, ((&str, Option<&str>), _, Vec<_>, _))| {
                let (inside, overlap, limit_s, catch_up) = how;
                ScheduleEntry {
                    at: At::default(),
                    identifier: identifier.parse().unwrap(),
                    cron: cron.to_owned(),
                    zone: zone.map(str::to_owned),
                    command: std::iter::once(program).chain(arguments).collect(),
                    inside,
                    overlap,
                    limit_s,
                    catch_up,
                }
            };
        schedules.into_iter().map(entry).collect()
    })
}

/// What the edge carries out.
fn edge() -> impl Strategy<Value = (Vec<(Domain, At)>, EdgePolicy)> {
    let stage = prop_oneof![Just(DeploymentStage::Production), Just(DeploymentStage::Preview)];
    let domains = btree_map("[a-z]{1,5}\\.test", stage, 0..3).prop_map(|all| {
        let one = |(name, stage): (String, _)| (Domain { name: name.parse().unwrap(), stage }, At::default());
        all.into_iter().map(one).collect::<Vec<_>>()
    });
    let edits = || {
        let set = btree_map("X-[A-Z][a-z]{0,5}", "([!-~]([ -~]{0,8}[!-~])?)?", 0..3);
        let remove = btree_set("y-[a-z]{1,5}", 0..3);
        (set, remove).prop_map(|(set, remove)| HeaderEdits {
            set: set.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            remove: remove.into_iter().map(|name| name.parse().unwrap()).collect(),
        })
    };
    let redirect = prop_oneof![
        Just(("/a", "/b?c=d", 308)),
        Just(("/a/*", "/b/*", 301)),
        Just(("/%C3%A4:,{x}", "https://a.test:1/'b'", 302)),
        Just(("www.a.test", "a.test", 307)),
    ];
    let redirects = vec(redirect, 0..4).prop_map(|all| {
        all.into_iter()
            .map(|(from, to, status)| Redirect::new(from.parse().unwrap(), to.parse().unwrap(), status).unwrap())
            .collect::<Vec<_>>()
    });
    let rate = of(((1..=10_000_u32, any::<bool>()), of(1..1000_u32)));
    let limits = (of(0..(1_u64 << 40)), rate, of(Just(vec!["10.0.0.0/8", "2001:db8::/32"])));
    let limits = limits.prop_map(|(body_bytes, rate, allow)| RequestLimits {
        body_bytes,
        rate: rate.map(|((number, minute), _)| format!("{number}/{}", if minute { "m" } else { "s" }).parse().unwrap()),
        burst: rate.and_then(|(_, burst)| burst),
        allow: allow.into_iter().flatten().map(|network| network.parse().unwrap()).collect(),
    });
    let user = text().prop_filter("a user", |user| crate::stack::policy::keys::user(user).is_ok());
    let users = btree_map(user, Just("PASSWORD_OF_SOMEBODY".parse().unwrap()), 1..3);
    let auth = of((users, of("[a-z][ -!#-&]{0,5}[a-z]"), any::<bool>()))
        .prop_map(|auth| auth.map(|(users, realm, pass_on)| BasicAuth { users, realm, pass_on }));
    let headers = (edits(), edits()).prop_map(|(response, request)| HeaderRules { response, request });
    let policy = (headers, redirects, limits, auth).prop_map(|(headers, redirects, limits, auth)| EdgePolicy {
        headers,
        redirects,
        limits,
        auth,
    });
    (domains, policy)
}

fn part(component: bool) -> impl Strategy<Value = Part> {
    let names = (
        of(text()),
        of(text()),
        of(text()),
        of(prop_oneof![Just("postgres#17"), Just("https://a.test/b#v1"), Just("./a")]),
    );
    let probed = (of(Just("/healthz?a=%20".to_owned())), of(1..=u16::MAX), of(1..3600_u32));
    let probed = probed.prop_map(|(path, port, timeout_s)| Health { path, port, timeout_s, running: None });
    let worker = (of(1..3600_u32), 1..=600_u32).prop_map(|(timeout_s, seconds)| Health {
        timeout_s,
        running: Some((seconds, At::default())),
        ..Health::default()
    });
    let health = of(prop_oneof![probed, worker]);
    let volume = (identifier(), of(1..9_999_u64), any::<bool>());
    let volumes = btree_map("/[a-c]/[a-z]{1,3}", volume, 0..3).prop_map(|volumes| {
        let entry = |(path, (identifier, size_mib, shared))| VolumeEntry { identifier, path, size_mib, shared };
        volumes.into_iter().map(entry).collect::<Vec<_>>()
    });
    let words = || of(vec(text(), 0..3));
    let commands = (words(), words(), words());
    let resources = (of((6 << 20)..(1_u64 << 40)), of(10..1_000_000_u32))
        .prop_map(|(memory_bytes, cpu_millis)| Resources { memory_bytes, cpu_millis, replicas: None });
    let port = (of(1..=u16::MAX), edge());
    let lists = (include(), include(), volumes, commands, release(), schedules(component));
    let glob = prop_oneof![Just("web/**"), Just("!**/*.md"), Just("/shared"), Just("a b")];
    let replicas = of((1..=20_u32).prop_map(|count| (count, At::default())));
    let shape = (made_from(), hosts(), replicas, of(prop_oneof![Just(".".to_owned()), path()]), of(vec(glob, 0..3)));
    (names, lists, health, resources, shape, port).prop_map(
        move |(
            (name, description, prebuild_image, package),
            (include, development, volumes, commands, release, schedules),
            health,
            resources,
            shape,
            (port, (domains, edge)),
        )| {
            let ((image, build, files), hosts, replicas, folder, watch) = shape;
            let globs = |watch: Vec<&str>| watch.into_iter().map(|glob| glob.parse().unwrap()).collect();
            Part {
                at: At::default(),
                identifier: "a".parse().unwrap(),
                name,
                description,
                folder: folder.filter(|_| component),
                watch: watch.filter(|_| component).map(globs),
                package: package.map(|text| (text.parse().unwrap(), At::default())),
                prebuild_image,
                image: image.map(|text| text.parse().unwrap()),
                build: build.filter(|_| component),
                files: files.filter(|_| component),
                port,
                health,
                include,
                development,
                not_backed_up: volumes.len() == 1,
                volumes,
                command: commands.0,
                commands: Commands { development: commands.1, production: commands.2 },
                release: release.filter(|_| component),
                schedules,
                resources,
                replicas: replicas.filter(|_| component),
                hosts: hosts.filter(|_| component),
                domains: domains.into_iter().filter(|_| component).collect(),
                edge: if component { edge } else { EdgePolicy::default() },
            }
        },
    )
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    let head = (of(Just("v1.0".to_owned())), of(Just("starter".to_owned())), of(text()), of(text()), vec(text(), 0..3));
    let sleep = of((1..90_000_u32, 1..600_u32).prop_map(|(after_s, wait_s)| Sleep { after_s, wait_s }));
    (head, vec(part(true), 1..4), vec(part(false), 0..3), include(), sleep).prop_map(
        |(head, mut components, mut addons, development, sleep)| {
            let parts = components.iter_mut().chain(&mut addons);
            parts.enumerate().for_each(|(at, part)| part.identifier = format!("p{at}").parse().unwrap());
            components.iter_mut().skip(1).chain(addons.iter_mut().skip(1)).for_each(|part| part.schedules.clear());
            components.iter_mut().skip(1).for_each(|part| part.domains.clear());
            let (version, kind, name, description, previews) = head;
            let backup = sleep.map(|sleep| BackupPolicy {
                cron: "0 3 * * *".into(),
                zone: "Europe/Berlin".into(),
                keep: sleep.wait_s,
            });
            Manifest {
                file: "m".into(),
                version,
                kind,
                name,
                description,
                previews,
                components,
                addons,
                development,
                sleep,
                backup,
            }
        },
    )
}

proptest! {
    #[test]
    fn parse_after_print_is_identity(given in any_manifest()) {
        let printed = manifest(&given);
        let read = read_manifest("m", &printed).map_err(|why| TestCaseError::fail(format!("{why}\n{printed}")))?;
        prop_assert_eq!(&read, &given, "{}", printed);
        prop_assert_eq!(manifest(&read), printed);
    }
}

#[test]
fn a_printed_manifest_reads_well() {
    let text = "name: Shop\ncomponents:\n  - identifier: web\n    folder: /\n    env:\n      include:\n        - db.DATABASE_URL\n        - name: LOG\n          value: \"a: b\"\n    hosts:\n      - {identifier: web, port: 80, path: /}\naddons:\n  - identifier: db\n    package: \"postgres#17\"\n";
    assert_eq!(manifest(&read_manifest("m", text).unwrap()), text);
}
