//! The supervisor over the engine in memory: what it does, and what it leaves alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use boathouse::db::{deployment, object, release, volume};
use boathouse::docker::{ContainerSpec, Containers, ErrorKind, Fake, Label, RunState, labels};
use boathouse::observed::Phase;
use boathouse::supervisor::Supervisor;
use boathouse_types::{Failure, Intent, Moment, RunEnd, Stage as PipelineStage};

use crate::supervisor_stage::{Plan, Stage, component, moody_port, open_port, with_volume};

pub const IMAGE: &str = "sha256:one";

pub async fn stage() -> (Arc<Fake>, Stage) {
    let fake = Arc::new(Fake::default());
    let stage = Stage::new(fake.clone()).await;
    (fake, stage)
}

pub async fn running(fake: &Fake, stage: &Stage) -> Vec<String> {
    let all = fake.list(&Label::instance(&stage.app.instance)).await.unwrap();
    all.into_iter().filter(|one| one.state == RunState::Running).map(|one| one.name).collect()
}

#[tokio::test]
async fn a_starting_release_runs_and_a_second_pass_does_nothing() {
    let (fake, stage) = stage().await;
    let mut plan = Plan::of(IMAGE, vec![component("web", &["serve"])]);
    plan.env.insert("web".into(), BTreeMap::from([("SECRET".into(), "s3cret".into())]));
    stage.release(plan).await;
    stage.until("the start", async || running(&fake, &stage).await == [stage.name(1, "web")]).await;
    let spec = fake.spec(&stage.name(1, "web")).unwrap();
    assert_eq!(spec.env, BTreeMap::from([("PORT".into(), "9".into()), ("SECRET".into(), "s3cret".into())]));
    assert_eq!(spec.aliases, ["web", "app.web"]);
    assert_eq!(spec.image, IMAGE);
    let seen = stage.observed(1, "web").unwrap();
    assert!(seen.address.is_some() && matches!(seen.phase, Phase::Starting | Phase::Healthy), "{seen:?}");
    fake.clear_calls();
    stage.settle().await;
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn components_wait_for_the_commands_of_their_release_and_have_a_network_meanwhile() {
    let (fake, stage) = stage().await;
    let mut web = component("web", &[]);
    web.release.before = Some(vec!["migrate".into()]);
    let id = stage.release(Plan::of(IMAGE, vec![web])).await;
    let label = Label::instance(&stage.app.instance);
    stage.until("the network", async || !fake.list_networks(&label).await.unwrap().is_empty()).await;
    stage.settle().await;
    assert!(running(&fake, &stage).await.is_empty());
    let (moment, end) = (Moment::Before, RunEnd::Exited { code: 0 });
    stage.write(move |tx| release::finish_command(tx, id, moment, &"web".parse()?, &end)).await;
    stage.until("the start", async || running(&fake, &stage).await == [stage.name(1, "web")]).await;
}

#[tokio::test]
async fn killed_removed_and_renamed_containers_come_back() {
    let (fake, stage) = stage().await;
    let id = stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    stage.go_live(id).await;
    let name = stage.name(1, "web");
    let runs = async || running(&fake, &stage).await == [name.clone()];
    stage.until("the start", runs).await;
    let first = stage.observed(1, "web").unwrap().address;

    fake.kill(&name, "SIGKILL").await.unwrap();
    stage.until("the restart", runs).await;
    let second = stage.observed(1, "web").unwrap();
    assert_ne!(second.address, first, "the address of the last start is not remembered");
    assert_eq!(second.restarts, 1);
    fake.remove(&name).await.unwrap();
    stage.until("the new one", runs).await;
    fake.rename(&name, "somebody-was-here").await.unwrap();
    stage.until("the old name", runs).await;
    assert!(fake.inspect("somebody-was-here").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_crash_loop_is_seen_and_slows_down() {
    let (fake, stage) = stage().await;
    stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    let name = stage.name(1, "web");
    for round in 1..=2 {
        stage.until("the start", async || running(&fake, &stage).await == [name.clone()]).await;
        fake.exit(&name, 3, round == 2);
        stage.until("the end to be noted", async || stage.observed(1, "web").unwrap().restarts == round).await;
    }
    let seen = stage.observed(1, "web").unwrap();
    assert_eq!(seen.phase, Phase::Exited { code: 3, out_of_memory: true });
    assert!(seen.problem.unwrap().contains("memory limit"));
    fake.clear_calls();
    stage.supervisor.reconcile().await.unwrap();
    assert_eq!(fake.calls(), Vec::<String>::new(), "the second restart waits a second");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let (fake, stage) = stage().await;
    stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    fake.fail_next("create", ErrorKind::NoSpace);
    stage.until("the failure", async || stage.observed(1, "web").is_some_and(|one| one.problem.is_some())).await;
    stage.until("the next try", async || running(&fake, &stage).await == [stage.name(1, "web")]).await;
}

#[tokio::test]
async fn variables_that_cannot_be_opened_refuse_the_start() {
    let (fake, stage) = stage().await;
    let id = stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    stage.write(move |tx| release::set_env(tx, id, b"not sealed by this key")).await;
    stage.settle().await;
    assert!(running(&fake, &stage).await.is_empty());
    assert!(stage.observed(1, "web").unwrap().problem.unwrap().contains("cannot be opened"));
}

#[tokio::test]
async fn the_old_release_is_drained_after_the_switch_and_not_before() {
    let (fake, stage) = stage().await;
    let old = stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    stage.go_live(old).await;
    stage.until("the first", async || running(&fake, &stage).await.len() == 1).await;
    let request = stage.observed(1, "web").unwrap().in_flight.enter().unwrap();
    let new = stage.release(Plan::of("sha256:two", vec![component("web", &[])])).await;
    stage.until("both", async || running(&fake, &stage).await.len() == 2).await;
    stage.settle().await;
    assert_eq!(running(&fake, &stage).await.len(), 2);

    stage.write(move |tx| release::go_live(tx, &release::by_id(tx, new)?)).await;
    stage.until("draining", async || stage.phase(1, "web") == Some(Phase::Draining)).await;
    assert!(!stage.observed(1, "web").unwrap().in_flight.is_closed(), "the edge still routes to it");
    stage.app.observed.set_routed([new].into());
    stage.until("the close", async || stage.observed(1, "web").unwrap().in_flight.is_closed()).await;
    stage.settle().await;
    assert_eq!(running(&fake, &stage).await.len(), 2, "a request is under way");
    drop(request);
    stage.until("the end", async || running(&fake, &stage).await == [stage.name(2, "web")]).await;
    let recorded = async || stage.app.db.read(object::containers).await.unwrap().len();
    stage.until("the end of the record", async || recorded().await == 1 && stage.observed(1, "web").is_none()).await;
}

#[tokio::test]
async fn a_failed_release_leaves_the_old_one_alone() {
    let (fake, stage) = stage().await;
    let old = stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    stage.go_live(old).await;
    let new = stage.release(Plan::of("sha256:two", vec![component("web", &[])])).await;
    stage.until("both", async || running(&fake, &stage).await.len() == 2).await;
    let failure = Failure { stage: PipelineStage::Health, message: "no".into(), log_tail: vec![], serving: None };
    stage.write(move |tx| release::fail(tx, &release::by_id(tx, new)?, &failure)).await;
    stage.until("the end of the new one", async || running(&fake, &stage).await == [stage.name(1, "web")]).await;
    assert_eq!(stage.observed(1, "web").unwrap().restarts, 0);
}

#[tokio::test]
async fn a_restart_that_was_asked_for_is_done_once_and_one_after_the_other() {
    let (fake, stage) = stage().await;
    let (port, _open) = open_port().await;
    let answering = |name: &str| {
        let mut part = component(name, &[]);
        part.port = Some(port);
        part
    };
    let id = stage.release(Plan::of(IMAGE, vec![answering("a"), answering("b")])).await;
    stage.go_live(id).await;
    let healthy = |name: &str| stage.phase(1, name) == Some(Phase::Healthy);
    stage.until("both to answer", async || healthy("a") && healthy("b")).await;
    fake.clear_calls();
    // The engine in memory counts its starts from zero: everything was asked for after them, until it starts anew.
    let after = stage.observed(1, "b").unwrap().started_at.unwrap();
    stage.write(move |tx| object::want_restart(tx, id, None, None, after)).await;
    stage.until("both to answer again", async || fake.calls().len() >= 4 && healthy("a") && healthy("b")).await;
    stage.settle().await;
    let order: Vec<String> = fake.calls().into_iter().filter(|call| !call.starts_with("connect")).collect();
    let expected = ["stop", "start"].map(|verb| verb.to_owned());
    let verbs: Vec<String> = order.iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(verbs, [expected.clone(), expected].concat(), "{order:?}");
    assert!(order[1].ends_with("-a") && order[3].ends_with("-b"), "{order:?}");
    assert_eq!(stage.observed(1, "a").unwrap().restarts, 0, "it is no crash");
}

#[tokio::test]
async fn addons_come_first() {
    let (fake, stage) = stage().await;
    let closed = with_volume(component("db", &[]));
    stage.release(Plan::of(IMAGE, vec![component("web", &[])]).with_addon("sha256:db", closed)).await;
    stage.until("the add-on", async || running(&fake, &stage).await == [stage.name(1, "db")]).await;
    stage.settle().await;
    assert_eq!(running(&fake, &stage).await, [stage.name(1, "db")], "the component waits for it");
}

#[tokio::test]
async fn an_unchanged_addon_is_lent_to_the_next_release_and_never_restarted() {
    let (fake, stage) = stage().await;
    let (port, _open) = open_port().await;
    let plan = |web: &str| {
        let mut db = with_volume(component("db", &[]));
        db.port = Some(port);
        Plan::of(web, vec![component("web", &[])]).with_addon("sha256:db", db)
    };
    let old = stage.release(plan(IMAGE)).await;
    stage.until("both", async || running(&fake, &stage).await.len() == 2).await;
    stage.go_live(old).await;
    let (id, started) = {
        let db = fake.inspect(&stage.name(1, "db")).await.unwrap();
        (db.id, db.started_at_ms)
    };

    let new = stage.release(plan("sha256:two")).await;
    stage.until("the new component", async || running(&fake, &stage).await.len() == 3).await;
    assert_eq!(stage.phase(2, "db"), Some(Phase::Healthy), "lent by the old release");
    stage.go_live(new).await;
    let expected = [stage.name(2, "db"), stage.name(2, "web")];
    stage.until("the new names alone", async || running(&fake, &stage).await == expected).await;
    let db = fake.inspect(&stage.name(2, "db")).await.unwrap();
    assert_eq!((db.id, db.started_at_ms), (id, started));
    stage.until("the records", async || stage.app.db.read(object::containers).await.unwrap().len() == 2).await;
    fake.clear_calls();
    stage.settle().await;
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn an_addon_that_is_lent_while_it_starts_counts_as_healthy_once_it_answers() {
    let (fake, stage) = stage().await;
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let port = reserved.local_addr().unwrap().port();
    let plan = |web: &str| {
        let mut db = with_volume(component("db", &[]));
        db.port = Some(port);
        Plan::of(web, vec![component("web", &[])]).with_addon("sha256:db", db)
    };
    let old = stage.release(plan(IMAGE)).await;
    stage.go_live(old).await;
    stage.until("the database", async || stage.phase(1, "db") == Some(Phase::Starting)).await;
    stage.release(plan("sha256:two")).await;
    stage.until("it is lent", async || stage.phase(2, "db") == Some(Phase::Starting)).await;
    let _open = reserved.listen(1).unwrap();
    stage.until("it answers", async || stage.phase(1, "db") == Some(Phase::Healthy)).await;
    stage.until("for the borrower, too", async || stage.phase(2, "db") == Some(Phase::Healthy)).await;
    stage.until("the new component", async || running(&fake, &stage).await.contains(&stage.name(2, "web"))).await;
}

#[tokio::test]
async fn rotated_credentials_restart_nothing_and_hold_when_it_is_made_anew() {
    let (fake, stage) = stage().await;
    let (port, _open) = open_port().await;
    let plan = |password: &str| {
        let mut db = with_volume(component("db", &[]));
        db.port = Some(port);
        let key: boathouse_types::EnvKey = "PASSWORD".parse().unwrap();
        db.rotate = Some(boathouse::stack::package::Rotate { key, user: None, begin: vec!["true".into()], end: None });
        let mut plan = Plan::of(IMAGE, vec![component("web", &[])]).with_addon("sha256:db", db);
        plan.env.insert("db".into(), BTreeMap::from([("PASSWORD".into(), password.into())]));
        plan
    };
    let old = stage.release(plan("old")).await;
    stage.until("both", async || running(&fake, &stage).await.len() == 2).await;
    stage.go_live(old).await;
    let id = fake.inspect(&stage.name(1, "db")).await.unwrap().id;
    let new = stage.release(plan("new")).await;
    stage.until("the new component", async || running(&fake, &stage).await.len() == 3).await;
    stage.go_live(new).await;
    let expected = [stage.name(2, "db"), stage.name(2, "web")];
    stage.until("the new names alone", async || running(&fake, &stage).await == expected).await;
    let name = stage.name(2, "db");
    assert_eq!(fake.inspect(&name).await.unwrap().id, id, "the server was not restarted");
    fake.exit(&name, 0, false);
    stage.until("the server made anew", async || fake.inspect(&name).await.is_ok_and(|one| one.is_running())).await;
    assert_ne!(fake.inspect(&name).await.unwrap().id, id);
    assert_eq!(fake.spec(&name).unwrap().env["PASSWORD"], "new");
}

#[tokio::test]
async fn a_changed_database_never_runs_twice_on_its_files() {
    let (fake, stage) = stage().await;
    let plan =
        |db: &str| Plan::of(IMAGE, vec![component("web", &[])]).with_addon(db, with_volume(component("db", &[])));
    let old = stage.release(plan("sha256:db1")).await;
    stage.go_live(old).await;
    stage.until("the first", async || running(&fake, &stage).await.len() == 2).await;
    let new = stage.release(plan("sha256:db2")).await;
    let databases =
        async || running(&fake, &stage).await.into_iter().filter(|name| name.ends_with("-db")).collect::<Vec<_>>();
    stage
        .until("the new database", async || {
            assert!(databases().await.len() < 2);
            databases().await == [stage.name(2, "db")]
        })
        .await;

    let failure = Failure { stage: PipelineStage::Health, message: "no".into(), log_tail: vec![], serving: None };
    stage.write(move |tx| release::fail(tx, &release::by_id(tx, new)?, &failure)).await;
    stage
        .until("the old database", async || {
            assert!(databases().await.len() < 2);
            databases().await == [stage.name(1, "db")]
        })
        .await;
}

#[tokio::test]
async fn stopping_keeps_the_files_and_deleting_leaves_nothing() {
    let (fake, stage) = stage().await;
    let id = stage.release(Plan::of(IMAGE, vec![with_volume(component("web", &[]))])).await;
    stage.go_live(id).await;
    let label = Label::instance(&stage.app.instance);
    stage.until("the start", async || running(&fake, &stage).await.len() == 1).await;
    stage.set_intent(Intent::Stopped).await;
    stage.until("the stop", async || fake.list(&label).await.unwrap().is_empty()).await;
    stage.settle().await;
    assert_eq!(
        (fake.list_volumes(&label).await.unwrap().len(), fake.list_networks(&label).await.unwrap().len()),
        (1, 1)
    );
    assert!(stage.observed(1, "web").is_none());
    stage.set_intent(Intent::Running).await;
    stage.until("the second start", async || running(&fake, &stage).await.len() == 1).await;
    stage.set_intent(Intent::Deleted).await;
    let empty = async || {
        fake.list_volumes(&label).await.unwrap().is_empty() && fake.list_networks(&label).await.unwrap().is_empty()
    };
    stage.until("nothing to be left", empty).await;
    let deployment = stage.deployment;
    let left =
        stage.app.db.read(move |c| Ok((object::networks(c)?.len(), volume::of_deployment(c, deployment)?.len())));
    assert_eq!(left.await.unwrap(), (0, 0));
}

#[tokio::test]
async fn what_sleeps_stays_and_is_woken_its_database_first_and_that_is_no_crash() {
    let (fake, mut stage) = stage().await;
    let (port, answers, _open) = moody_port().await;
    let mut db = with_volume(component("db", &[]));
    (db.port, db.health.path) = (Some(port), Some("/".to_owned()));
    let id = stage.release(Plan::of(IMAGE, vec![component("web", &[])]).with_addon("sha256:db", db)).await;
    stage.until("both", async || running(&fake, &stage).await.len() == 2).await;
    stage.go_live(id).await;
    let made = async |name: &str| fake.inspect(&stage.name(1, name)).await.unwrap().id;
    let (web, db) = (made("web").await, made("db").await);
    let deployment = stage.deployment;
    let order = |operation: &str| {
        let calls = fake.calls().into_iter().filter(|call| call.starts_with(operation)).collect::<Vec<_>>();
        calls.iter().map(|call| call.rsplit('-').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for round in 1..3 {
        stage.app.observed.set_routed(BTreeSet::from([id]));
        assert!(stage.write(move |tx| deployment::set_sleeping(tx, deployment)).await);
        stage.settle().await;
        assert_eq!(running(&fake, &stage).await.len(), 2, "the edge still leads there");
        fake.clear_calls();
        stage.app.observed.set_routed(BTreeSet::new());
        stage
            .until("both asleep", async || ["web", "db"].iter().all(|name| stage.phase(1, name) == Some(Phase::Asleep)))
            .await;
        let stopped = fake.calls().into_iter().filter(|call| call.starts_with("stop ")).collect::<Vec<_>>();
        assert_eq!(stopped, [format!("stop {web}"), format!("stop {db}")], "round {round}");
        stage.settle().await;
        assert!(running(&fake, &stage).await.is_empty());
        fake.clear_calls();
        // It runs before it answers, and nothing that needs it is started in between.
        answers.store(false, SeqCst);
        assert!(stage.write(move |tx| deployment::set_awake(tx, deployment)).await);
        stage.until("the database runs", async || running(&fake, &stage).await.contains(&stage.name(1, "db"))).await;
        stage.settle().await;
        assert_eq!(order("start "), ["db"], "round {round}: it does not answer yet");
        answers.store(true, SeqCst);
        stage.until("both awake", async || running(&fake, &stage).await.len() == 2).await;
        assert_eq!(order("start "), ["db", "web"], "round {round}");
        assert_eq!(order("create "), Vec::<String>::new());
        assert_eq!((made("web").await, made("db").await), (web.clone(), db.clone()));
        assert_eq!(stage.observed(1, "web").unwrap().restarts, 0);
    }
    // The supervisor of another process finds what this one has stopped, and takes it for no crash, either.
    stage.write(move |tx| deployment::set_sleeping(tx, deployment)).await;
    stage.until("both stopped", async || running(&fake, &stage).await.is_empty()).await;
    stage.write(move |tx| deployment::set_awake(tx, deployment)).await;
    stage.supervisor = Supervisor::new(&stage.app, fake.clone());
    stage.until("both awake", async || running(&fake, &stage).await.len() == 2).await;
    assert_eq!(stage.observed(1, "db").unwrap().restarts, 0);
}

#[tokio::test]
async fn a_range_that_somebody_took_meanwhile_costs_no_start() {
    let (fake, stage) = stage().await;
    fake.fail_next("create_network", ErrorKind::NoSubnet);
    stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    stage.until("the start", async || running(&fake, &stage).await.len() == 1).await;
    assert_eq!(stage.observed(1, "web").unwrap().restarts, 0);
}

#[tokio::test]
async fn what_the_engine_would_not_tell_is_asked_again() {
    let (fake, stage) = stage().await;
    stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    let is_watched = async || stage.observed(1, "web").is_some_and(|one| one.problem.is_some());
    stage.until("the first probe", is_watched).await;
    // A process that begins anew knows nothing, and its first question fails.
    let anew = Supervisor::new(&stage.app, fake.clone());
    stage.app.observed.remove(&stage.name(1, "web"));
    fake.fail_next("inspect", ErrorKind::Timeout);
    anew.reconcile().await.unwrap();
    assert!(stage.observed(1, "web").is_none(), "nothing is said of what is not known");
    anew.reconcile().await.unwrap();
    let started = fake.inspect(&stage.name(1, "web")).await.unwrap().started_at_ms;
    assert_eq!(stage.observed(1, "web").unwrap().started_at, started);
}

#[tokio::test]
async fn what_is_not_recorded_or_not_labelled_is_left_alone() {
    let (fake, stage) = stage().await;
    let foreign = ContainerSpec { name: "foreign".into(), image: IMAGE.into(), ..Default::default() };
    let labels = BTreeMap::from([
        (labels::INSTANCE.to_owned(), stage.app.instance.clone()),
        (labels::RELEASE.to_owned(), "1".to_owned()),
    ]);
    let unrecorded = ContainerSpec { name: "unrecorded".into(), image: IMAGE.into(), labels, ..Default::default() };
    for spec in [&foreign, &unrecorded] {
        fake.create(spec).await.unwrap();
        fake.start(&spec.name).await.unwrap();
    }
    stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    stage.until("the start", async || running(&fake, &stage).await.len() == 2).await;
    stage.set_intent(Intent::Deleted).await;
    stage.until("the stop", async || running(&fake, &stage).await == ["unrecorded"]).await;
    stage.settle().await;
    for name in ["foreign", "unrecorded"] {
        assert!(fake.inspect(name).await.unwrap().is_running());
    }
}

#[tokio::test]
async fn an_engine_that_is_gone_changes_nothing_but_its_status() {
    let (fake, stage) = stage().await;
    let id = stage.release(Plan::of(IMAGE, vec![component("web", &[])])).await;
    stage.go_live(id).await;
    stage.until("the start", async || running(&fake, &stage).await.len() == 1).await;
    let before = stage.observed(1, "web").unwrap();
    assert!(stage.app.observed.engine().reachable);
    fake.set_gone(true);
    let error = stage.supervisor.reconcile().await.unwrap_err();
    assert!(error.hint.unwrap().contains("systemctl status docker"));
    assert!(!stage.app.observed.engine().reachable);
    assert_eq!(stage.observed(1, "web").unwrap().address, before.address);
    fake.set_gone(false);
    stage.supervisor.reconcile().await.unwrap();
    assert!(stage.app.observed.engine().reachable);
    assert_eq!(stage.observed(1, "web").unwrap().restarts, 0);
}
