//! Rules of the edge as manifests write them, and what is wrong with some.

use crate::stack::{parse, read_manifest};

fn component(keys: &str) -> String {
    format!("components:\n  - identifier: web\n    image: a\n{keys}")
}

#[test]
fn what_the_manifest_says_is_kept_with_the_release() {
    let text = component(
        "    domains: [{name: Shop.example.com}, {name: test.example.com, stage: staging}]
    headers:
      response: {set: {X-Frame-Options: DENY, Strict-Transport-Security: max-age=31536000}, remove: [Server]}
      request: {set: {X-Env: 1}, remove: Cookie}
    redirects: [{from: /old, to: /new}, {from: www.example.com, to: example.com, status: 301}]
    limits: {body: 10MiB, rate: 20/s, burst: 40, allow: [10.0.0.0/8, '2001:db8::/32']}
    auth: {users: {anna: ANNAS_PASSWORD}, realm: Shop}
",
    );
    let stack = parse("m", &text).unwrap();
    let kept: crate::stack::Stack = serde_json::from_str(&serde_json::to_string(&stack).unwrap()).unwrap();
    assert_eq!(kept, stack);
    let web = &kept.components[0];
    assert_eq!(web.domains[0].name.as_str(), "shop.example.com");
    assert_eq!(
        web.edge.words(),
        [
            "allowed networks: 10.0.0.0/8, 2001:db8::/32",
            "body limit: 10 MiB",
            "rate limit: 20 requests a second from a client, 40 at once",
            "redirects: /old → /new (308), www.example.com → example.com (301)",
            "request headers: X-Env: 1, no Cookie",
            "response headers: Strict-Transport-Security: max-age=31536000, X-Frame-Options: DENY, no Server",
            "sign-in: anna",
        ]
    );
    // A release of an older version has none of it, and neither has what says nothing.
    let plain = parse("m", &component("")).unwrap();
    let json = serde_json::to_value(&plain.components[0]).unwrap();
    assert!(json.get("edge").is_none() && json.get("domains").is_none(), "{json}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (keys, expected) in [
        ("    headers: {response: {set: {Content-Length: 5}}}\n", "m:4:32: Content-Length cannot be set or removed"),
        ("    headers: {request: {set: {X-Forwarded-For: a}}}\n", "m:4:31: X-Forwarded-For cannot be set or removed"),
        ("    headers: {request: {remove: [A, Host]}}\n", "m:4:37: remove: Host cannot be set or removed"),
        ("    headers: {response: {set: {a b: c}}}\n", "m:4:32: \"a b\" is not the name of a header field"),
        ("    headers: {response: {set: {A: \"b\\nC: d\"}}}\n", "m:4:35: A: its value has the character \"\\n\""),
        ("    headers: {response: {set: {A: b, a: c}}}\n", "the field a is named twice"),
        ("    redirects: [{from: /a, to: /a}]\n", "m:4:32: to: the redirect /a → /a (308) leads in a circle"),
        ("    redirects: [{from: /a, to: //b.test}]\n", "m:4:32: to: two slashes begin another host"),
        ("    redirects: [{from: /a, to: /b, status: 200}]\n", "m:4:44: status: \"200\" is not a status of a redirect"),
        ("    redirects: [{from: /a}]\n", "this redirect has no to: add `to: /new`"),
        ("    limits: {rate: 20}\n", "m:4:20: rate: \"20\" is no rate"),
        ("    limits: {burst: 20}\n", "m:4:21: `burst` is for `rate`"),
        ("    limits: {allow: [10.0.0.1/8]}\n", "you may mean 10.0.0.0/8"),
        ("    limits: {body: lots}\n", "m:4:20: body: \"lots\" is not a size"),
        ("    auth: {realm: a}\n", "m:4:11: `auth` needs 1 to 100 users"),
        ("    auth: {users: {anna: s3cret!}}\n", "write the name of a variable here, never a password"),
        ("    auth: {users: {\"a:b\": PASSWORD}}\n", "m:4:20: \"a:b\" is not a user"),
        (
            "    auth: {users: {anna: PASSWORD}}\n    env: {include: [{name: PASSWORD, value: hunter2}]}\n",
            "m:5:45: PASSWORD is a password of `auth`, which cannot stand in the manifest",
        ),
        ("    domains: [{name: '*.example.com'}]\n", "m:4:22: name: \"*.example.com\" is a wildcard"),
        ("    domains: [{name: a.test}, {name: a.test}]\n", "m:4:38: name: a.test is there twice at stage production"),
        ("    domains: [{name: a.test, stage: live}]\n", "m:4:37: stage: \"live\" is none of"),
        ("    cache: {}\n", "misplaced key \"cache\""),
    ] {
        let told = read_manifest("m", &component(keys)).map(drop).unwrap_err().to_string();
        assert!(told.contains(expected), "{keys}\n{told}");
    }
    let made = "    auth: {users: {anna: PASSWORD}}\n    env: {include: [{name: PASSWORD, value: '${generate-random-password:16}'}]}\n";
    assert!(parse("m", &component(made)).is_ok(), "a password that is made");
    let addon = "components: [{identifier: a, image: b}]\naddons:\n  - {identifier: db, image: c, auth: {}}\n";
    let told = read_manifest("m", addon).map(drop).unwrap_err().to_string();
    assert!(told.contains("misplaced key \"auth\": it belongs in a component, not in an add-on"), "{told}");
}
