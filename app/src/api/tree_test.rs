//! The tree as tables: one thing goes wrong, and its parents say which.

use boathouse_types::{
    Certificate, ContainerStatus, Health, Host, ReleaseComponent, ReleaseState, Serves, Stage, StatusKind, StatusTree,
    TlsMode, Volume, VolumeMount,
};

use super::tree::{Built, Facts, tree};
use crate::api::health::of_container;
use crate::observed::tests::healthy;
use crate::observed::{Container, Phase};

/// Everything of one deployment that works: `web` in front of `db`.
struct World {
    volumes: Vec<Volume>,
    components: Vec<ReleaseComponent>,
    containers: Vec<(ContainerStatus, Option<Container>)>,
    hosts: Vec<Host>,
    rolled: (Health, String),
    routed: bool,
}

impl World {
    fn new() -> Self {
        let part = |name: &str| ReleaseComponent {
            identifier: name.parse().unwrap(),
            serves: Serves::Container,
            digest: Some("sha256:1".into()),
            port: Some(3000),
            size_bytes: None,
        };
        Self {
            volumes: vec![volume("db-data")],
            components: vec![part("db"), part("web")],
            containers: vec![seen(1, healthy("db"), ReleaseState::Live), seen(1, healthy("web"), ReleaseState::Live)],
            hosts: vec![host()],
            rolled: (Health::Healthy, "release #1 is live".into()),
            routed: true,
        }
    }

    fn tree(&self) -> StatusTree {
        let live =
            Some(Built { number: 1, state: "live", components: &self.components, since: 1, routed: self.routed });
        tree(&Facts { live, ..self.facts() })
    }

    fn facts(&self) -> Facts<'_> {
        static NAMES: std::sync::OnceLock<(boathouse_types::ProjectName, boathouse_types::DeploymentName)> =
            std::sync::OnceLock::new();
        let names = NAMES.get_or_init(|| ("shop".parse().unwrap(), "production".parse().unwrap()));
        Facts {
            project: &names.0,
            deployment: &names.1,
            rolled: self.rolled.clone(),
            volumes: &self.volumes,
            live: None,
            pending: None,
            failed: None,
            containers: &self.containers,
            hosts: &self.hosts,
            backup_problem: None,
        }
    }
}

fn volume(identifier: &str) -> Volume {
    Volume {
        identifier: identifier.parse().unwrap(),
        name: format!("bh-{identifier}"),
        mounts: vec![VolumeMount { component: "db".parse().unwrap(), path: "/data".into() }],
        size_bytes: Some(3 << 29),
        expected_bytes: None,
        measured_at: Some(7),
        problem: None,
        kept: None,
        leaving: false,
        created_at: 1,
    }
}

fn host() -> Host {
    Host {
        port: None,
        name: "shop.example.com".parse().unwrap(),
        component: "web".parse().unwrap(),
        path: "/".into(),
        tls: TlsMode::Acme,
        generated: false,
        of_manifest: false,
        rules: Vec::new(),
        url: "https://shop.example.com/".into(),
        certificate: Some(Certificate { issuer: "CA".into(), not_before: 1, not_after: 2 }),
        problem: None,
        retry_at: None,
    }
}

fn seen(release: i64, container: Container, state: ReleaseState) -> (ContainerStatus, Option<Container>) {
    let (health, reason) = of_container(&container, state, 2_001);
    let status = ContainerStatus {
        identifier: container.identifier.clone(),
        replica: container.replica,
        release,
        name: format!("bh-{release}-{}", container.mark()),
        health,
        reason,
        started_at: container.started_at,
        restarts: container.restarts,
    };
    (status, Some(container))
}

fn told(tree: &StatusTree, kind: StatusKind) -> (Health, &str) {
    let group = tree.groups.iter().find(|group| group.kind == kind).unwrap();
    (group.health, &group.reason)
}

#[test]
fn what_works_is_green_and_counted() {
    let tree = World::new().tree();
    assert_eq!((tree.health, tree.reason.as_str()), (Health::Healthy, "release #1 is live"));
    assert_eq!(tree.groups.iter().map(|group| group.kind).collect::<Vec<_>>(), StatusKind::ALL);
    for (kind, words) in [
        (StatusKind::Storage, "1 volume, 1.5 GiB"),
        (StatusKind::Images, "2 images"),
        (StatusKind::Containers, "2 containers"),
        (StatusKind::Services, "2 services"),
        (StatusKind::Endpoints, "1 endpoint"),
    ] {
        assert_eq!(told(&tree, kind), (Health::Healthy, words));
    }
    let service = &tree.groups[3].nodes[1];
    assert_eq!((service.reason.as_str(), service.subject.as_deref()), ("answers on port 3000", Some("10.0.0.2:3000")));
    assert_eq!(tree.groups[4].nodes[0].reason, "leads to web, certificate by CA");
}

#[test]
fn each_of_several_is_a_node_of_its_own() {
    let mut world = World::new();
    let one = |replica, phase| {
        let container = Container { replica: Some(replica), phase, ..healthy("web") };
        seen(1, container, ReleaseState::Live)
    };
    let ended = Phase::Exited { code: 1, out_of_memory: false };
    world.containers.truncate(1);
    world.containers.extend([one(1, Phase::Healthy), one(2, ended), one(3, Phase::Starting)]);
    let tree = world.tree();
    let (health, reason) = told(&tree, StatusKind::Containers);
    assert!(health == Health::Down && reason.starts_with("web.2: exited with code 1"), "{reason}");
    let nodes: Vec<_> = tree.groups[2].nodes.iter().map(|node| (node.name.as_str(), node.replica)).collect();
    assert_eq!(nodes, [("db", None), ("web.1", Some(1)), ("web.2", Some(2)), ("web.3", Some(3))]);
    assert_eq!(tree.groups[3].nodes[2].name, "web.2", "its service, too");
    assert_eq!(told(&tree, StatusKind::Endpoints).0, Health::Healthy, "another one answers");
}

#[test]
fn a_parent_shows_its_worst_child_and_says_which() {
    type Break = fn(&mut World);
    let crash = |world: &mut World| {
        let ended = Container {
            phase: Phase::Exited { code: 1, out_of_memory: false },
            restarts: 3,
            next_start_at: Some(10_000),
            ..healthy("db")
        };
        world.containers[0] = seen(1, ended, ReleaseState::Live);
    };
    let silent = |world: &mut World| {
        let sick = Container { phase: Phase::Unhealthy, problem: Some("GET / answered 500".into()), ..healthy("web") };
        world.containers[1] = seen(1, sick, ReleaseState::Live);
    };
    #[rustfmt::skip]
    let table: [(Break, StatusKind, Health, &str); 9] = [
        (crash, StatusKind::Containers, Health::Down, "db: exited with code 1; restarting, attempt 3, next in 8 s"),
        (crash, StatusKind::Services, Health::Down, "db: its container does not run"),
        (crash, StatusKind::Endpoints, Health::Healthy, "1 endpoint"),
        (silent, StatusKind::Services, Health::Down, "web: does not answer any more: GET / answered 500"),
        (|w| w.volumes[0].problem = Some("it is not at the engine".into()), StatusKind::Storage, Health::Degraded, "db-data: it is not at the engine"),
        (|w| w.volumes[0].expected_bytes = Some(1 << 30), StatusKind::Storage, Health::Degraded, "db-data: 1.5 GiB of the 1.0 GiB that were expected to be enough, at db:/data"),
        (|w| w.hosts[0].problem = Some("DNS points elsewhere".into()), StatusKind::Endpoints, Health::Degraded, "shop.example.com/: certificate: DNS points elsewhere"),
        (|w| w.hosts[0].component = "nobody".parse().unwrap(), StatusKind::Endpoints, Health::Down, "shop.example.com/: leads to nobody, which release #1 does not have"),
        (|w| w.routed = false, StatusKind::Endpoints, Health::Degraded, "shop.example.com/: waits for the routes of release #1"),
    ];
    for (break_it, kind, health, reason) in table {
        let mut world = World::new();
        break_it(&mut world);
        let tree = world.tree();
        assert_eq!(told(&tree, kind), (health, reason));
        if health > Health::Healthy {
            let worst = tree.groups.iter().map(|group| group.health).max().unwrap();
            assert_eq!(tree.health, worst, "{tree:#?}");
            assert!(tree.groups.iter().any(|group| group.reason == tree.reason), "{}", tree.reason);
        }
    }
}

#[test]
fn a_backup_that_failed_is_seen() {
    let world = World::new();
    let live = Some(Built { number: 1, state: "live", components: &world.components, since: 1, routed: true });
    let tree = tree(&Facts { live, backup_problem: Some("no room"), ..world.facts() });
    assert_eq!(told(&tree, StatusKind::Storage), (Health::Degraded, "backup: the last one failed: no room"));
    assert_eq!(tree.health, Health::Degraded);
}

#[test]
fn what_does_not_serve_colours_nobody() {
    let mut world = World::new();
    let leaving = Container { phase: Phase::Draining, ..healthy("web") };
    let failing = Container { phase: Phase::Exited { code: 2, out_of_memory: false }, ..healthy("web") };
    world.containers.push(seen(0, leaving, ReleaseState::Retired));
    world.containers.push(seen(2, failing, ReleaseState::Starting));
    let live = Built { number: 1, state: "live", components: &world.components, since: 1, routed: true };
    let next = [ReleaseComponent { digest: None, ..world.components[1].clone() }];
    let pending = Built { number: 2, state: "building", components: &next, since: 2, routed: false };
    let failed = Some((3, Stage::Build, "no Dockerfile"));
    let facts = Facts { live: Some(live), pending: Some(pending), failed, ..world.facts() };
    let tree = tree(&facts);
    assert_eq!((tree.health, tree.reason.as_str()), (Health::Healthy, "release #1 is live"));
    let nodes = |at: usize| &tree.groups[at].nodes;
    assert_eq!((nodes(2)[2].health, nodes(2)[3].health), (Health::Off, Health::Down));
    assert_eq!(nodes(1).last().unwrap().reason, "failed at build: no Dockerfile");
    assert!(nodes(1)[2].reason.contains("release #2 is building"));
    assert_eq!(nodes(3).len(), 2, "only what serves is a service");
}

#[test]
fn before_the_first_release_what_comes_is_shown_and_a_stopped_one_is_grey() {
    let mut world = World::new();
    world.containers = vec![seen(1, Container { phase: Phase::Starting, ..healthy("web") }, ReleaseState::Starting)];
    world.rolled = (Health::Degraded, "release #1 is starting".into());
    let components = world.components.clone();
    let coming = Built { number: 1, state: "starting", components: &components, since: 1, routed: false };
    let tree_of = |facts: &Facts<'_>| tree(facts);
    let shown = tree_of(&Facts { pending: Some(coming), hosts: &[], ..world.facts() });
    assert_eq!((shown.health, shown.reason.as_str()), (Health::Degraded, "release #1 is starting"));
    assert_eq!(told(&shown, StatusKind::Containers), (Health::Degraded, "web: starting"));

    world.containers.clear();
    world.rolled = (Health::Off, "stopped".into());
    let shown = world.tree();
    assert_eq!((shown.health, shown.reason.as_str()), (Health::Off, "stopped"));
    assert_eq!(told(&shown, StatusKind::Endpoints), (Health::Off, "1 endpoint"));
    assert_eq!(told(&shown, StatusKind::Containers), (Health::Off, "no container"));
}

#[test]
fn what_sleeps_is_a_state_of_its_own_and_nobodys_trouble() {
    let mut world = World::new();
    let asleep = |name: &str| Container { phase: Phase::Asleep, address: None, ..healthy(name) };
    world.containers = ["db", "web"].map(|name| seen(1, asleep(name), ReleaseState::Live)).to_vec();
    world.rolled = (Health::Asleep, "asleep since then".into());
    world.routed = false;
    let tree = world.tree();
    assert_eq!((tree.health, tree.reason.as_str()), (Health::Asleep, "asleep since then"));
    assert_eq!(told(&tree, StatusKind::Containers), (Health::Asleep, "2 containers"));
    assert_eq!(told(&tree, StatusKind::Services), (Health::Asleep, "2 services"));
    assert_eq!(told(&tree, StatusKind::Endpoints), (Health::Asleep, "1 endpoint"));
    assert_eq!(tree.groups[4].nodes[0].reason, "asleep since then");
}
