//! A plan names every difference, in order, and nothing else.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::stack::parse;

const SHOP: &str = "components:
  - {identifier: web, image: 'web:1', env: {include: [{name: A, value: '1'}]}}
  - {identifier: site, static: dist}
addons:
  - {identifier: db, image: 'postgres:17', volumes: [{identifier: data, path: /data}]}
";

fn view(text: &str) -> View {
    let stack = parse("m", text).unwrap();
    let values = stack.in_start_order().map(|part| (part.identifier.clone(), part.env.clone())).collect();
    let hosts = stack
        .components
        .iter()
        .map(|part| (part.identifier.clone(), BTreeSet::from([format!("{}.test", part.identifier)])));
    View::of(&stack, DeploymentStage::Production, &values, &hosts.collect(), |_| Some("v1".into()))
}

fn told(before: &View, after: &View) -> Vec<String> {
    of_release(before, after).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_new_changes_restarts_and_goes_is_told_in_order() {
    assert_eq!(told(&view(SHOP), &view(SHOP)), Vec::<String>::new());
    let first = told(&View::default(), &view(SHOP));
    assert_eq!(first[0], "add volume data of db: mounted at /data");
    assert_eq!(first[1], "add addon db: new: the image postgres:17");
    assert_eq!(first.len(), 6);

    let variable = told(&view(SHOP), &view(&SHOP.replace("value: '1'", "value: '2'")));
    assert_eq!(
        variable,
        ["change variable A of web: its value changed", "restart component web: variables changed: A"]
    );

    let image = told(&view(SHOP), &view(&SHOP.replace("postgres:17", "postgres:18")));
    let expected = [
        "change addon db: made from the image postgres:18 instead of the image postgres:17".to_owned(),
        format!("restart component web: {EVERY_RELEASE}"),
    ];
    assert_eq!(image, expected);

    let commands = told(&view(SHOP), &view(&SHOP.replace("'web:1',", "'web:1', release: {before: rake db:migrate},")));
    assert_eq!(commands, ["change component web: command before a release: none → `rake db:migrate`, at most 600 s"]);

    let gone = SHOP.split("addons:").next().unwrap().replace("  - {identifier: site, static: dist}\n", "");
    let gone = told(&view(SHOP), &view(&gone));
    assert_eq!(gone[0], format!("restart component web: {EVERY_RELEASE}"));
    assert_eq!(
        gone[1..3],
        [
            "remove host site.test of site: its component goes".to_owned(),
            "remove component site: not in the manifest any more".to_owned()
        ]
    );
    assert_eq!(gone[4], "remove volume data of db: not mounted any more; its data is kept");
}

#[test]
fn a_schedule_that_changes_is_told_and_restarts_nothing_by_itself() {
    let with = |cron: &str| {
        SHOP.replace(
            "'1'}]}}",
            &format!("'1'}}]}}, schedules: [{{identifier: nightly, cron: '{cron}', command: ./report}}]}}"),
        )
    };
    let steps = |before: &str, after: &str| plan(&view(before), &view(after));
    let told = |steps: Vec<PlanStep>| steps.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(steps(SHOP, &with("@daily"))), ["add schedule nightly of web: `./report` at @daily (UTC)"]);
    assert_eq!(
        told(steps(&with("@daily"), &with("0 2 * * *"))),
        ["change schedule nightly of web: `./report` at 0 2 * * * (UTC)"]
    );
    assert_eq!(told(steps(&with("@daily"), SHOP)), ["remove schedule nightly of web: not in the manifest any more"]);
}

#[test]
fn a_rule_of_the_edge_is_told_and_restarts_nothing_by_itself() {
    let with = |to: &str| SHOP.replace("static: dist", &format!("static: dist, redirects: [{{from: /a, to: {to}}}]"));
    let steps = |before: &str, after: &str| told(&view(before), &view(after));
    let web = format!("restart component web: {EVERY_RELEASE}");
    assert_eq!(steps(SHOP, &with("/b")), [web.clone(), "add rule redirects of site: /a → /b (308)".to_owned()]);
    assert_eq!(
        steps(&with("/b"), &with("/c")),
        [web.clone(), "change rule redirects of site: /a → /c (308)".to_owned()]
    );
    assert_eq!(
        steps(&with("/b"), SHOP),
        [web, "remove rule redirects of site: not in the manifest any more".to_owned()]
    );
}

fn daily(cron: &str) -> SetSchedule {
    let text = format!(
        "components: [{{identifier: a, image: b, schedules: [{{identifier: c, cron: '{cron}', command: d}}]}}]"
    );
    parse("m", &text).unwrap().components[0].schedules[0].set.clone()
}

fn any_view() -> impl Strategy<Value = View> {
    let id =
        || prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")].prop_map(|text| text.parse::<Identifier>().unwrap());
    let key = || "[A-C]".prop_map(|text| text.parse::<EnvKey>().unwrap());
    let what = (any::<bool>(), any::<bool>(), "[xy]", of("[12]"), of("[12]"));
    let schedule = "[st]".prop_map(|text| text.parse::<ScheduleName>().unwrap());
    let schedules = btree_map(schedule, prop_oneof![Just("@daily"), Just("@weekly")].prop_map(daily), 0..3);
    let rules = btree_map(prop_oneof![Just("redirects"), Just("sign-in")], "[12]", 0..3);
    let lists =
        (btree_map(id(), "/[ab]", 0..3), btree_set("[hi]", 0..3), btree_map(key(), "[12]", 0..3), schedules, rules);
    vec((id(), what, lists), 0..5).prop_map(|parts| {
        let mut view = View::default();
        for (identifier, (addon, files, origin, version, command), (volumes, hosts, variables, schedules, rules)) in
            parts
        {
            if view.part(&identifier).is_none() {
                let settings = command.map(|command| ("command", command)).into_iter().collect();
                view.parts.push(PartView {
                    identifier,
                    addon,
                    files,
                    origin,
                    version,
                    settings,
                    volumes,
                    hosts,
                    rules,
                    schedules,
                    variables,
                });
            }
        }
        view
    })
}

/// Does what the steps say, and only that: a thing that no step names stays as it is.
fn apply(before: &View, steps: &[PlanStep], after: &View) -> View {
    let mut made = before.clone();
    for step in steps {
        let new = after.part(&step.identifier);
        let at = made.parts.iter().position(|part| part.identifier == step.identifier);
        match (step.kind, step.action, new) {
            (PlanKind::Component | PlanKind::Addon, PlanAction::Add, Some(new)) => made.parts.push(new.clone()),
            (PlanKind::Component | PlanKind::Addon, PlanAction::Remove, _) => {
                made.parts.retain(|part| part.identifier != step.identifier)
            }
            (PlanKind::Component | PlanKind::Addon, _, Some(new)) => {
                let part = &mut made.parts[at.unwrap()];
                let (addon, files, origin) = (new.addon, new.files, new.origin.clone());
                *part = PartView {
                    addon,
                    files,
                    origin,
                    version: new.version.clone(),
                    settings: new.settings.clone(),
                    ..part.clone()
                };
            }
            (kind, action, Some(new)) => {
                let (Some(at), Some(name)) = (at, &step.name) else { continue };
                let part = &mut made.parts[at];
                match (kind, action) {
                    (PlanKind::Volume, PlanAction::Remove) => drop(part.volumes.remove(&name.parse().unwrap())),
                    (PlanKind::Volume, _) => {
                        drop(part.volumes.insert(name.parse().unwrap(), new.volumes[&name.parse().unwrap()].clone()))
                    }
                    (PlanKind::Rule, PlanAction::Remove) => drop(part.rules.remove(name.as_str())),
                    (PlanKind::Rule, _) => {
                        let (name, words) = new.rules.get_key_value(name.as_str()).unwrap();
                        part.rules.insert(name, words.clone());
                    }
                    (PlanKind::Schedule, PlanAction::Remove) => drop(part.schedules.remove(&name.parse().unwrap())),
                    (PlanKind::Schedule, _) => {
                        let name: ScheduleName = name.parse().unwrap();
                        part.schedules.insert(name.clone(), new.schedules[&name].clone());
                    }
                    (PlanKind::Host, PlanAction::Remove) => drop(part.hosts.remove(name)),
                    (PlanKind::Host, _) => drop(part.hosts.insert(name.clone())),
                    (_, PlanAction::Remove) => drop(part.variables.remove(&name.parse().unwrap())),
                    _ => drop(
                        part.variables.insert(name.parse().unwrap(), new.variables[&name.parse().unwrap()].clone()),
                    ),
                }
            }
            _ => {}
        }
    }
    made.parts.sort_by_key(|part| after.parts.iter().position(|other| other.identifier == part.identifier));
    made
}

#[test]
fn a_change_of_sleep_is_told() {
    let sleep = Some(Sleep::after(900));
    assert_eq!((super::sleep(None, None), super::sleep(sleep, sleep)), (None, None));
    let told = super::sleep(None, sleep).unwrap();
    assert_eq!(told, "by the manifest it falls asleep after 15m without a request; before: never");
}

#[test]
fn a_change_of_the_backup_policy_is_told() {
    let policy = BackupPolicy { cron: "0 3 * * *".into(), zone: "UTC".into(), keep: 7 };
    assert_eq!((super::backup(None, None), super::backup(Some(&policy), Some(&policy))), (None, None));
    let told = super::backup(None, Some(&policy)).unwrap();
    assert_eq!(told, "by the manifest it is backed up `0 3 * * *` (UTC), the last 7 are kept; before: never");
}

proptest! {
    #[test]
    fn a_plan_that_was_done_leaves_nothing_to_do(before in any_view(), after in any_view()) {
        prop_assert!(plan(&before, &before).is_empty());
        let done = apply(&before, &plan(&before, &after), &after);
        prop_assert_eq!(&done, &after);
        prop_assert!(plan(&done, &after).is_empty());
        // A release starts every container of a component, and no container that it does not name.
        let steps = of_release(&before, &after);
        for part in after.parts.iter().filter(|part| !part.addon && !part.files && !steps.is_empty()) {
            prop_assert!(steps.iter().any(|step| step.identifier == part.identifier && step.kind == PlanKind::Component));
        }
    }
}
