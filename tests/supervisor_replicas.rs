//! Several containers of one component over the engine in memory: each has its own name, label, start and end.

use boathouse::db::object;
use boathouse::docker::{Containers, labels};
use boathouse::observed::Phase;
use boathouse::supervisor;

use crate::supervisor::{IMAGE, running, stage};
use crate::supervisor_stage::{Plan, component, open_port};

#[tokio::test]
async fn several_containers_of_a_component_are_each_looked_after() {
    let (fake, stage) = stage().await;
    let (port, _open) = open_port().await;
    let several = |count| {
        let mut web = component("web", &[]);
        web.port = Some(port);
        web.resources.replicas = Some(count);
        Plan::of(IMAGE, vec![web, component("api", &[])])
    };
    let id = stage.release(several(3)).await;
    stage.go_live(id).await;
    let name = |replica| stage.name_of(1, "web", replica);
    let phase = |replica| stage.app.observed.container(&name(replica)).map(|one| one.phase);
    let all_answer = || (1..=3).all(|replica| phase(replica) == Some(Phase::Healthy));
    stage.until("all to answer", async || all_answer()).await;
    let label = |name: &str| fake.spec(name).unwrap().labels.get(labels::REPLICA).cloned();
    assert_eq!((label(&name(2)).as_deref(), label(&stage.name(1, "api"))), (Some("2"), None));
    assert_eq!(stage.app.observed.container(&name(3)).unwrap().mark(), "web.3");
    assert!(name(2).ends_with("-web.2") && fake.spec(&name(2)).is_some());

    // A command inside runs in the one that was named, else in one that answers.
    let chosen = async |replica| {
        let part = supervisor::live_part(&stage.app, stage.deployment, &"web".parse().unwrap(), replica).await;
        part.map(|part| part.name)
    };
    assert_eq!((chosen(None).await.unwrap(), chosen(Some(3)).await.unwrap()), (name(1), name(3)));
    assert!(chosen(Some(4)).await.is_err());
    stage.app.observed.update(&name(1), |one| one.phase = Phase::Unhealthy);
    assert_eq!(chosen(None).await.unwrap(), name(2));
    stage.app.observed.update(&name(1), |one| one.phase = Phase::Healthy);

    // One that ends is started again; the others go on.
    fake.clear_calls();
    fake.exit(&name(2), 1, false);
    stage.until("its end", async || fake.calls().iter().any(|call| call.starts_with("start"))).await;
    stage.until("all to answer again", async || all_answer()).await;
    let started: Vec<String> = fake.calls().into_iter().filter(|call| call.starts_with("start")).collect();
    assert!(started.len() == 1 && started[0].ends_with("-web.2"), "{started:?}");
    let restarts = |replica| stage.app.observed.container(&name(replica)).unwrap().restarts;
    assert_eq!([1, 2, 3].map(restarts), [0, 1, 0]);

    // One that somebody renamed is that one, not a sibling of it.
    fake.rename(&name(3), "elsewhere").await.unwrap();
    stage.until("its name", async || running(&fake, &stage).await.contains(&name(3))).await;
    assert_eq!(label(&name(3)).as_deref(), Some("3"));

    // A restart of one is nobody else's.
    fake.clear_calls();
    let after = stage.app.observed.container(&name(1)).unwrap().started_at.unwrap();
    let asked = stage.write(move |tx| object::want_restart(tx, id, Some(&"web".parse()?), Some(1), after)).await;
    assert_eq!(asked, 1);
    stage.until("the restart", async || fake.calls().iter().any(|call| call.starts_with("start"))).await;
    stage.settle().await;
    assert!(!fake.calls().iter().any(|call| call.ends_with("web.2") || call.ends_with("web.3")), "{:?}", fake.calls());

    // The next release has fewer; all of the old one go.
    let next = stage.release(several(1)).await;
    stage.go_live(next).await;
    let only = [stage.name(2, "api"), stage.name(2, "web")];
    stage
        .until("the next one alone", async || {
            let mut names = running(&fake, &stage).await;
            names.sort();
            names == only
        })
        .await;
}
