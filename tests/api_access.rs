//! Who may do what: every route as everybody, and what happens to credentials that have ended.

use boathouse::api::{self, Need};
use boathouse_types::*;
use http::{Method, StatusCode};

use crate::api_desk::{CONSOLE, COOKIE, Desk};
use crate::api_reviewed::REVIEWED;
use crate::harness::{Answer, Client, PASSWORD};

/// One route with names filled in that exist nowhere, so that whoever gets in finds nothing to break.
struct Door {
    method: Method,
    path: String,
    need: Option<Role>,
}

fn doors() -> Vec<Door> {
    let names = [
        ("{project}", "nowhere"),
        ("{deployment}", "production"),
        ("{number}", "1"),
        ("{user}", "nobody"),
        ("{token}", "999999"),
        ("{registry}", "nowhere.example.com:5000"),
        ("{component}", "web"),
        ("{addon}", "db"),
        ("{volume}", "data"),
        ("{backup}", "3"),
        ("{delivery}", "7"),
        ("{key}", "KEY"),
        ("{stage}", "staging"),
        ("{host}", "nowhere.example.com"),
        ("{package}", "nowhere"),
        ("{source}", "nowhere"),
        ("{schedule}", "nightly"),
        ("{repository}", "nowhere.git"),
    ];
    let door = |route: api::Route| {
        let path = names.iter().fold(route.full_path(), |path, (slot, name)| path.replace(slot, name));
        assert!(!path.contains('{'), "{path}: no name is known for this");
        let need = if let Need::Role(role) = route.need { Some(role) } else { None };
        Door { method: Method::from_bytes(route.method.as_str().as_bytes()).unwrap(), path, need }
    };
    api::routes().into_iter().map(door).collect()
}

async fn knock(client: &Client, door: &Door) -> Answer {
    let body = (door.method != Method::GET).then(|| ("application/json", b"{}".to_vec()));
    client.send(door.method.clone(), &door.path, body).await
}

#[test]
fn the_route_table_is_the_reviewed_one() {
    let word = |need: Need| if let Need::Role(role) = need { role.as_str() } else { "anyone" };
    let found = api::routes().iter().map(|r| format!("{} {} {}", word(r.need), r.method, r.path)).collect::<Vec<_>>();
    assert_eq!(found.join("\n"), REVIEWED.trim());
}

#[tokio::test]
async fn every_route_as_everybody() {
    let desk = Desk::open();
    for (name, role) in [("v", Role::Viewer), ("m", Role::Member), ("a", Role::Admin)] {
        desk.make_user(name, role);
    }
    let mut callers = everybody(&desk);
    for door in doors() {
        for (who, has, client) in &callers {
            let answer = knock(client, &door).await;
            expect(&door, who, *has, &answer);
        }
        if door.path.ends_with("/session") && door.method == Method::DELETE {
            callers = everybody(&desk);
        }
    }
}

fn everybody(desk: &Desk) -> Vec<(&'static str, Option<Role>, Client)> {
    let token = |user: &str, scope| desk.anon().with_token(&desk.token(user, scope));
    let forged = "bh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    vec![
        ("nobody", None, desk.anon()),
        ("a forged token", None, desk.anon().with_token(forged)),
        ("a forged cookie", None, desk.anon().with_header("cookie", &format!("{COOKIE}=AAAA"))),
        ("a viewer", Some(Role::Viewer), desk.browser("v")),
        ("a member", Some(Role::Member), desk.browser("m")),
        ("an administrator", Some(Role::Admin), desk.browser("a")),
        ("a read token of an administrator", Some(Role::Viewer), token("a", Scope::Read)),
        ("a deploy token of an administrator", Some(Role::Member), token("a", Scope::Deploy)),
        ("an admin token", Some(Role::Admin), token("a", Scope::Admin)),
        ("a member's token", Some(Role::Member), token("m", Scope::Deploy)),
        ("the machine's administrator", Some(Role::Admin), desk.local()),
    ]
}

fn expect(door: &Door, who: &str, has: Option<Role>, answer: &Answer) {
    let told = format!("{} {} as {who}: {} {}", door.method, door.path, answer.status, answer.text());
    match (door.need, has) {
        // A credential of its own: nobody's session or token is one, not even the administrator's; and guesses are slowed down.
        (None, _) if door.path.contains("/hooks/") => {
            assert!([400, 401, 429].contains(&answer.status.as_u16()), "{told}")
        }
        (Some(_), None) => assert_eq!(answer.status, 401, "{told}"),
        (Some(need), Some(has)) if has < need => assert_eq!(answer.status, 403, "{told}"),
        _ => assert!(![401, 403, 500].contains(&answer.status.as_u16()), "{told}"),
    }
}

#[tokio::test]
async fn credentials_that_have_ended_open_nothing() {
    let desk = Desk::open();
    desk.make_user("a", Role::Admin);
    desk.make_user("gone", Role::Admin);
    let ended = || async {
        let signed_out = desk.browser("a");
        signed_out.delete("/api/v1/session").await.ok();
        let revoked = desk.anon().with_token(&desk.token("a", Scope::Admin));
        let tokens: Vec<Token> = revoked.read("/api/v1/tokens").await;
        revoked.delete(&format!("/api/v1/tokens/{}", tokens[0].id)).await.ok();
        let (old_session, old_token) = (desk.browser("a"), desk.anon().with_token(&desk.token("a", Scope::Admin)));
        desk.let_end("session");
        desk.let_end("token");
        vec![("signed out", signed_out), ("revoked", revoked), ("old session", old_session), ("old token", old_token)]
    };
    let mut callers = ended().await;
    let (session, token) = (desk.browser("gone"), desk.anon().with_token(&desk.token("gone", Scope::Admin)));
    session.get("/api/v1/session").await.ok();
    desk.local().delete("/api/v1/users/gone").await.ok();
    callers.extend([("deleted user's session", session), ("deleted user's token", token)]);
    for door in doors().iter().filter(|door| door.need.is_some()) {
        for (who, client) in &callers {
            let answer = knock(client, door).await;
            assert_eq!(answer.status, 401, "{} {} with {who}", door.method, door.path);
            answer.error();
        }
    }
}

#[tokio::test]
async fn a_lower_role_counts_at_once() {
    let desk = Desk::open();
    desk.make_user("m", Role::Member);
    let (browser, token) = (desk.browser("m"), desk.anon().with_token(&desk.token("m", Scope::Deploy)));
    desk.app.db.write_blocking(|tx| Ok(tx.execute_batch("update user set role = 'viewer'")?)).unwrap();
    for client in [browser, token] {
        assert_eq!(client.post("/api/v1/projects", &serde_json::json!({})).await.status, 403);
        client.get("/api/v1/projects").await.ok();
    }
}

#[tokio::test]
async fn a_browser_must_mean_it() {
    let desk = Desk::open();
    desk.make_user("m", Role::Member);
    let cookie = desk.cookie("m");
    let project = NewProject { name: "shop".parse().unwrap(), source: Source::Upload };
    let with = |pairs: &[(&'static str, &str)]| {
        pairs
            .iter()
            .fold(desk.anon().with_header("cookie", &cookie), |client, (name, value)| client.with_header(name, value))
    };
    let csrf = ("x-boathouse-csrf", "1");
    let own = format!("https://{CONSOLE}");
    let refused = [
        vec![],
        vec![("x-boathouse-csrf", "0")],
        vec![csrf, ("origin", "https://evil.example")],
        vec![csrf, ("origin", "null")],
        vec![csrf, ("origin", "http://boathouse.localhost")],
        vec![csrf, ("origin", "https://boathouse.localhost.evil.example")],
        vec![("origin", own.as_str())],
    ];
    for headers in refused {
        let answer = with(&headers).post("/api/v1/projects", &project).await;
        assert_eq!(answer.error().kind, ErrorKind::Forbidden, "{headers:?}");
    }
    with(&[csrf, ("origin", own.as_str())]).post("/api/v1/projects", &project).await.ok();
    with(&[]).get("/api/v1/projects").await.ok();
    // A token is sent by no browser on its own: it needs no such header.
    let token = desk.anon().with_token(&desk.token("m", Scope::Deploy));
    token.delete("/api/v1/projects/shop?confirm=shop").await.ok();
}

#[tokio::test]
async fn only_the_consoles_own_name_is_answered() {
    let desk = Desk::open();
    desk.make_user("v", Role::Viewer);
    let cookie = desk.cookie("v");
    for (host, status) in [
        (CONSOLE, 200),
        ("BOATHOUSE.localhost", 200),
        ("boathouse.localhost:8443", 200),
        ("boathouse.localhost.", 200),
        ("evil.example", 421),
        ("127.0.0.1", 421),
        ("boathouse.localhost.evil.example", 421),
    ] {
        let client = desk.anon().with_header("cookie", &cookie).with_header("host", host);
        assert_eq!(client.get("/api/v1/session").await.status, status, "{host}");
        assert_eq!(client.get("/healthz").await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let desk = Desk::open();
    let file = desk.app.paths.root.join("setup-token");
    let token = std::fs::read_to_string(&file).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let setup = |token: &str, password: &str| Setup {
        token: token.into(),
        name: "ada".parse().unwrap(),
        password: password.into(),
    };
    let anon = desk.anon();
    assert!(anon.read::<SetupState>("/api/v1/setup").await.needed);
    for (wrong, kind) in [
        (setup("", PASSWORD), ErrorKind::Unauthenticated),
        (setup("wrong", PASSWORD), ErrorKind::Unauthenticated),
        (setup(&token, "short"), ErrorKind::Invalid),
        (Setup { name: "local".parse().unwrap(), ..setup(&token, PASSWORD) }, ErrorKind::Invalid),
    ] {
        assert_eq!(anon.post("/api/v1/setup", &wrong).await.error().kind, kind);
    }
    let made = anon.post("/api/v1/setup", &setup(&token, PASSWORD)).await.ok();
    let cookie = made.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(part), "{cookie} lacks {part}");
    }
    assert_eq!(made.json::<Session>().role, Role::Admin);
    assert!(!anon.read::<SetupState>("/api/v1/setup").await.needed);
    assert_eq!(anon.post("/api/v1/setup", &setup(&token, PASSWORD)).await.status, 404);
    assert_eq!(desk.local().post("/api/v1/setup", &setup("", PASSWORD)).await.status, 404);
    assert!(!file.exists());
}

#[tokio::test]
async fn guessing_is_slowed_down_and_tells_nothing() {
    let desk = Desk::open();
    let new = NewUser { name: "ada".parse().unwrap(), role: Role::Viewer, password: PASSWORD.into() };
    desk.local().post("/api/v1/users", &new).await.ok();
    let sign_in = |name: &str, password: &str| SignIn { name: name.into(), password: password.into() };
    let guesser = desk.anon_from("2001:db8:1:2::1");
    let wrong = guesser.post("/api/v1/session", &sign_in("ada", "not this one at all")).await;
    let unknown = guesser.post("/api/v1/session", &sign_in("nobody", "not this one at all")).await;
    assert_eq!((wrong.status, wrong.text()), (unknown.status, unknown.text()), "an unknown name is not told");
    for n in 0..3 {
        guesser.post("/api/v1/session", &sign_in(&format!("x{n}"), "not this one at all")).await;
    }
    // Another address of the same /64 is the same customer; what it claims to be before the edge counts for nothing.
    let neighbour = desk.anon_from("192.0.2.1, 2001:db8:1:2::ffff");
    let slowed = neighbour.post("/api/v1/session", &sign_in("ada", PASSWORD)).await;
    assert_eq!(slowed.error().kind, ErrorKind::TooManyRequests);
    assert!(slowed.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    desk.anon().post("/api/v1/session", &sign_in("Ada", PASSWORD)).await.ok();
}

#[tokio::test]
async fn a_name_is_slowed_down_from_many_addresses() {
    let desk = Desk::open();
    for n in 1..=5 {
        let body = SignIn { name: "ada".into(), password: "not this one at all".into() };
        desk.anon_from(&format!("198.51.100.{n}")).post("/api/v1/session", &body).await;
    }
    let body = SignIn { name: "ADA".into(), password: "not this one at all".into() };
    let answer = desk.anon_from("198.51.100.77").post("/api/v1/session", &body).await;
    assert_eq!(answer.error().kind, ErrorKind::TooManyRequests);
}

#[tokio::test]
async fn rights_do_not_grow() {
    let desk = Desk::open();
    desk.make_user("v", Role::Viewer);
    desk.make_user("a", Role::Admin);
    let new = |scope, user: Option<&str>| NewToken {
        name: "t".parse().unwrap(),
        scope,
        expires_in_days: None,
        user: user.map(|name| name.parse().unwrap()),
    };
    let status = |client: Client, body: NewToken| async move { client.post("/api/v1/tokens", &body).await.status };
    assert_eq!(status(desk.browser("v"), new(Scope::Read, None)).await, StatusCode::OK);
    assert_eq!(status(desk.browser("v"), new(Scope::Deploy, None)).await, 403);
    assert_eq!(status(desk.browser("v"), new(Scope::Read, Some("a"))).await, 403);
    assert_eq!(status(desk.browser("a"), new(Scope::Admin, Some("v"))).await, 403);
    let narrow = desk.anon().with_token(&desk.token("a", Scope::Deploy));
    assert_eq!(status(narrow.clone(), new(Scope::Read, None)).await, 403, "a leaked token does not breed");
    assert_eq!(status(desk.local(), new(Scope::Read, None)).await, 409, "the socket has no user");
    // A viewer sees and revokes its own tokens only.
    let admins: Vec<Token> = desk.browser("a").read("/api/v1/tokens").await;
    let others = admins.iter().find(|token| token.user.as_str() == "a").unwrap();
    let own: Vec<Token> = desk.browser("v").read("/api/v1/tokens").await;
    assert!(own.iter().all(|token| token.user.as_str() == "v"));
    assert_eq!(desk.browser("v").delete(&format!("/api/v1/tokens/{}", others.id)).await.status, 404);
    // Nobody locks everybody out.
    assert_eq!(desk.browser("a").delete("/api/v1/users/a").await.error().kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn a_new_password_ends_the_sessions() {
    let desk = Desk::open();
    desk.make_user("m", Role::Member);
    let browser = desk.browser("m");
    browser.get("/api/v1/session").await.ok();
    let body = SetPassword { password: PASSWORD.into() };
    desk.local().put("/api/v1/users/m/password", &body).await.ok();
    assert_eq!(browser.get("/api/v1/session").await.status, 401);
    desk.anon().post("/api/v1/session", &SignIn { name: "m".into(), password: PASSWORD.into() }).await.ok();
}

#[tokio::test]
async fn a_person_changes_their_own_password_by_knowing_it() {
    let desk = Desk::open();
    let new = NewUser { name: "ada".parse().unwrap(), role: Role::Viewer, password: PASSWORD.into() };
    desk.local().post("/api/v1/users", &new).await.ok();
    let (here, elsewhere) = (desk.browser("ada"), desk.browser("ada"));
    let change = |current: &str, password: &str| ChangePassword { current: current.into(), password: password.into() };
    let path = "/api/v1/session/password";
    for wrong in [change("not this one at all", "a new sentence of words"), change(PASSWORD, "short")] {
        assert_eq!(here.put(path, &wrong).await.error().kind, ErrorKind::Invalid);
    }
    elsewhere.get("/api/v1/session").await.ok();
    here.put(path, &change(PASSWORD, "a new sentence of words")).await.ok();
    here.get("/api/v1/session").await.ok();
    assert_eq!(elsewhere.get("/api/v1/session").await.status, 401, "other sessions end");
    let sign_in = |password: &str| SignIn { name: "ada".into(), password: password.into() };
    assert_eq!(desk.anon().post("/api/v1/session", &sign_in(PASSWORD)).await.status, 401);
    desk.anon().post("/api/v1/session", &sign_in("a new sentence of words")).await.ok();
    let nobody = desk.local().put(path, &change(PASSWORD, "a new sentence of words")).await;
    assert_eq!(nobody.error().kind, ErrorKind::Conflict, "the socket has no password");
    let events = desk.local().get("/api/v1/events").await.text();
    assert!(events.contains("ada changed their password") && !events.contains("sentence"), "{events}");
}

#[tokio::test]
async fn guessing_the_current_password_is_slowed_down() {
    let desk = Desk::open();
    let new = NewUser { name: "ada".parse().unwrap(), role: Role::Viewer, password: PASSWORD.into() };
    desk.local().post("/api/v1/users", &new).await.ok();
    let browser = desk.browser("ada");
    let guess = ChangePassword { current: "not this one at all".into(), password: PASSWORD.into() };
    for _ in 0..5 {
        assert_eq!(browser.put("/api/v1/session/password", &guess).await.error().kind, ErrorKind::Invalid);
    }
    let slowed = browser.put("/api/v1/session/password", &ChangePassword { current: PASSWORD.into(), ..guess }).await;
    assert_eq!(slowed.error().kind, ErrorKind::TooManyRequests);
}
