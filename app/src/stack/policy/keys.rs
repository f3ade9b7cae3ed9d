//! The keys of a component that the edge carries out: a part of the table in [`super::super::grammar`].

use boathouse_types::{Cidr, EnvKey, HostName, REDIRECT_STATUSES, RedirectFrom, RedirectTo, RequestRate};

use super::FieldName;
use crate::stack::grammar::{parses, quoted};
use crate::stack::shape::{Form, Items, Key, Rule, Shape, key, required};

/// The most that one client may do at once.
const MOST_AT_ONCE: u64 = 100_000;
/// The largest body that can be named, in bytes: 1 TiB.
const MAX_BODY: u64 = 1 << 40;

pub const DOMAINS: Key =
    key("domains", Form::List(&DOMAIN_ITEMS), "Host names of its own, which it has while a release with them is live.");
pub const HEADERS: Key = key("headers", Form::Map(&HEADER_RULES), "Header fields that the edge sets and removes.");
pub const REDIRECTS: Key =
    key("redirects", Form::List(&REDIRECT_ITEMS), "What the edge sends elsewhere; the first that fits counts.");
pub const LIMITS: Key =
    key("limits", Form::Map(&REQUEST_LIMITS), "What its requests may be, and where they come from.");
pub const AUTH: Key = key("auth", Form::Map(&SIGN_IN), "Only these users may come, each with a password.");

static DOMAIN_ITEMS: Items = Items { one: "a domain", instead: "domains must be a list", form: Form::Map(&DOMAIN) };
static REDIRECT_ITEMS: Items =
    Items { one: "a redirect", instead: "redirects must be a list", form: Form::Map(&REDIRECT) };

pub static DOMAIN: Shape = Shape {
    noun: "domain",
    says: "A host name of a component.",
    keys: &[
        required("name", Form::Word(&DOMAIN_NAME), "The name, as in shop.example.com.", "name: shop.example.com"),
        key("stage", Form::Word(&STAGE), "Deployments of this stage have it; `production` unless given."),
    ],
};

static HEADER_RULES: Shape = Shape {
    noun: "headers",
    says: "Header fields that the edge sets and removes.",
    keys: &[
        key("response", Form::Map(&HEADER_EDITS), "Of what visitors get from the component."),
        key("request", Form::Map(&HEADER_EDITS), "Of what the component gets from visitors."),
    ],
};

static HEADER_EDITS: Shape = Shape {
    noun: "header-fields",
    says: "Fields that come and fields that go.",
    keys: &[
        key("set", Form::Texts, "Names and values; each stands in the place of all fields of its name."),
        key(
            "remove",
            Form::OneOrList(&Items {
                one: "the name of a field",
                instead: "remove must be a list of names, as in [Server, X-Powered-By]",
                form: Form::Word(&FIELD_NAME),
            }),
            "Names of fields that go.",
        ),
    ],
};

pub static REDIRECT: Shape = Shape {
    noun: "redirect",
    says: "What is sent elsewhere, and where.",
    keys: &[
        required(
            "from",
            Form::Word(&FROM),
            "A path, a path with `*` at its end for all that begin so, or a host name of the component.",
            "from: /old",
        ),
        required(
            "to",
            Form::Word(&TO),
            "A path, an address with https://, either with `*` at its end for the rest of the path; for a host name another one.",
            "to: /new",
        ),
        key("status", Form::Word(&STATUS), "301, 302, 303, 307 or 308; 308 unless given."),
    ],
};

static REQUEST_LIMITS: Shape = Shape {
    noun: "request-limits",
    says: "What the edge lets through to a component.",
    keys: &[
        key("body", Form::Word(&BODY), "The most that a request's body may have, as in 10MiB; else 413."),
        key("rate", Form::Word(&RATE), "How many requests one client may make, as in 20/s or 600/m; else 429."),
        key(
            "burst",
            Form::Number { low: 1, high: MOST_AT_ONCE },
            "How many of them at once; as many as the rate's number unless given.",
        ),
        key(
            "allow",
            Form::OneOrList(&Items {
                one: "a network",
                instead: "allow must be a list of networks, as in [203.0.113.0/24, \"2001:db8::/32\"]",
                form: Form::Word(&NETWORK),
            }),
            "The networks that clients may come from, all unless given; others get 403.",
        ),
    ],
};

static SIGN_IN: Shape = Shape {
    noun: "auth",
    says: "Basic authentication (RFC 7617).",
    keys: &[
        key("users", Form::Texts, "Users, and the names of the variables that hold their passwords; at least one."),
        key("realm", Form::Word(&REALM), "What the browser's dialog says; the component's name unless given."),
        key("passOn", Form::Flag, "The component gets the `Authorization` field, too."),
    ],
};

static FIELD_NAME: Rule =
    Rule { pattern: Some("^[A-Za-z0-9!#$%&'*+.^`|~-]{1,100}$"), words: &[], check: parses::<FieldName> };
static FROM: Rule = Rule { pattern: Some("^[!-~]+$"), words: &[], check: parses::<RedirectFrom> };
static TO: Rule = Rule { pattern: Some("^[!-~]+$"), words: &[], check: parses::<RedirectTo> };
static RATE: Rule = Rule { pattern: Some("^[0-9]+/(s|second|m|minute)$"), words: &[], check: parses::<RequestRate> };
static NETWORK: Rule = Rule { pattern: Some("^[0-9A-Fa-f.:]+(/[0-9]+)?$"), words: &[], check: parses::<Cidr> };

static STATUS: Rule = Rule {
    pattern: Some("^30[12378]$"),
    words: &[],
    check: |text| {
        if REDIRECT_STATUSES.contains(&text) {
            Ok(())
        } else {
            Err(format!("{} is not a status of a redirect: one of {}", quoted(text), REDIRECT_STATUSES.join(", ")))
        }
    },
};

static BODY: Rule = Rule {
    pattern: Some("^[0-9]+ *([KMG](iB|i|B)?|[kmg]|B)?$"),
    words: &[],
    check: |text| match super::read::bytes(text) {
        Some(bytes) if bytes <= MAX_BODY => Ok(()),
        _ => Err(format!("{} is not a size of at most 1 TiB: write it as 512KiB or 10MiB", quoted(text))),
    },
};

static STAGE: Rule = Rule {
    pattern: None,
    words: &["development", "staging", "production", "preview"],
    check: |text| {
        let known = boathouse_types::DeploymentStage::parse(text).is_some();
        if known {
            Ok(())
        } else {
            Err(format!("{} is none of development, staging, production, preview", quoted(text)))
        }
    },
};

static DOMAIN_NAME: Rule = Rule {
    pattern: Some("^[A-Za-z0-9.-]+$"),
    words: &[],
    check: |text| {
        parses::<HostName>(text)?;
        if text.starts_with("*.") {
            return Err(format!(
                "{} is a wildcard: name each host, or use `boathouse domain add --tls internal`",
                quoted(text)
            ));
        }
        Ok(())
    },
};

static REALM: Rule = Rule {
    pattern: Some("^[ !#-\\[\\]-~]{1,100}$"),
    words: &[],
    check: |text| {
        let plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        if !text.is_empty() && text.len() <= 100 && text.chars().all(plain) {
            Ok(())
        } else {
            Err(format!("{} has more than 100 characters, none, or others than ASCII without quotes", quoted(text)))
        }
    },
};

/// Why a text is not the name of a user (RFC 7617 §2), if it is none.
pub fn user(text: &str) -> Result<(), String> {
    let plain = text.chars().all(|c| !c.is_control() && c != ':');
    if plain && !text.is_empty() && text.len() <= 100 {
        Ok(())
    } else {
        Err(format!("{} is not a user of `auth`: 1 to 100 characters without a colon", quoted(text)))
    }
}

/// Why a text is not the name of a variable that may hold a password.
pub fn password(text: &str) -> Result<(), String> {
    parses::<EnvKey>(text).map_err(|why| {
        format!("{why}; write the name of a variable here, never a password: `boathouse env set` keeps it")
    })
}
