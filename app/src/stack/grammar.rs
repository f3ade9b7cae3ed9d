//! The manifest's keys: the one table that the parser, the schema and the documentation's test read.

use std::fmt::Display;
use std::str::FromStr;

use boathouse_types::resources::{self, MAX_CPU_MILLIS, MAX_REPLICAS, MIN_CPU_MILLIS, MIN_MEMORY};
use boathouse_types::{EnvKey, Identifier, ImageRef, LONGEST_RELEASE_LIMIT_S, Overlap, ScheduleName, Sleep, duration};

use super::backup;
use super::health::MAX_RUNNING_S;
use super::import::Import;
use super::package_url::PackageUrl;
use super::paths;
use super::policy::keys;
use super::shape::{Form, Items, Key, Rule, Shape, key, required};
use super::watch;
use crate::cron;

/// Seconds that a health check may wait at most.
const MAX_HEALTH_TIMEOUT_S: u64 = 3600;
/// A day, in seconds.
const MAX_RUN_LIMIT_S: u64 = 86_400;
/// A day, in seconds.
const MAX_BUILD_TIME_S: u64 = 86_400;
/// 16 TiB.
const MAX_SIZE_MIB: u64 = 16 * 1024 * 1024;

/// The whole file.
pub static MANIFEST: Shape = Shape {
    noun: "manifest",
    says: "The components and add-ons of a project: boathouse.yaml, or diploi.yaml as Diploi reads it.",
    keys: &[
        key("diploiVersion", Form::Word(&VERSION), "The version of the format that Diploi's tools write: v1.0."),
        key("type", Form::Word(&TYPE), "`starter` for a repository that others begin from."),
        key("name", Form::Text, "Display name of the stack."),
        key("description", Form::Text, "One sentence about it."),
        key(
            "previewImageUrls",
            Form::List(&Items { one: "a picture", instead: "previewImageUrls must be a list", form: Form::Text }),
            "Pictures of a starter.",
        ),
        key(
            "components",
            Form::List(&Items {
                one: "a component",
                instead: "components must be a list",
                form: Form::Map(&COMPONENT),
            }),
            "Services that users reach; at least one.",
        ),
        key(
            "addons",
            Form::List(&Items { one: "an add-on", instead: "addons must be a list", form: Form::Map(&ADDON) }),
            "Services that only the components reach.",
        ),
        key("development", Form::Map(&DEVELOPMENT), "What differs at stage development, for every component."),
        key(
            "sleep",
            Form::Either(&AFTER, &SLEEP),
            "The deployment sleeps when nobody comes, and the next request wakes it: a duration, as in 15m, or a mapping; not in development.",
        ),
        key(
            "backup",
            Form::Map(&backup::SHAPE),
            "When the data of the deployment is backed up by itself; not in development and previews.",
        ),
    ],
};

/// An item of `components`.
pub static COMPONENT: Shape = Shape {
    noun: "component",
    says: "A service that users reach: built from a folder, made from an image, or served as files.",
    keys: &[
        IDENTIFIER,
        NAME,
        DESCRIPTION,
        key(
            "folder",
            Form::Word(&FOLDER),
            "Its folder in the repository; the identifier unless given, `/` is the root.",
        ),
        key(
            "watch",
            Form::OneOrList(&WATCHES),
            "What must change for a push to make a release; its folder unless given.",
        ),
        PACKAGE,
        PREBUILD_IMAGE,
        ENV,
        PART_DEVELOPMENT,
        CONTAINER_COMMANDS,
        key(
            "hosts",
            Form::List(&Items { one: "a host", instead: "hosts must be a list", form: Form::Map(&HOST) }),
            "Public endpoints; one of the component's name unless given, none with `[]`.",
        ),
        keys::DOMAINS,
        keys::HEADERS,
        keys::REDIRECTS,
        keys::LIMITS,
        keys::AUTH,
        key(
            "static",
            Form::Text,
            "It is files: a folder of the repository, or after a build an absolute path in the image.",
        ),
        key("spa", Form::Flag, "Unknown paths of the files answer index.html, for single-page applications."),
        key("build", Form::Map(&BUILD), "How its image is built."),
        IMAGE,
        PORT,
        HEALTH_KEY,
        VOLUMES,
        BACKED_UP,
        COMMAND,
        key("release", Form::Map(&RELEASE), "Commands that run once for each release, in containers of their own."),
        SCHEDULES,
        RESOURCES_KEY,
        key(
            "replicas",
            Form::Number { low: 1, high: MAX_REPLICAS as u64 },
            "How many containers it has, among which the edge shares the requests; 1 unless given, and in development.",
        ),
    ],
};

/// An item of `addons`.
pub static ADDON: Shape = Shape {
    noun: "add-on",
    says: "A service that only the components of the same deployment reach: a database, a cache, a queue.",
    keys: &[
        IDENTIFIER,
        NAME,
        DESCRIPTION,
        PACKAGE,
        PREBUILD_IMAGE,
        ENV,
        PART_DEVELOPMENT,
        CONTAINER_COMMANDS,
        IMAGE,
        PORT,
        HEALTH_KEY,
        VOLUMES,
        BACKED_UP,
        COMMAND,
        SCHEDULES,
        RESOURCES_KEY,
    ],
};

const IDENTIFIER: Key = required(
    "identifier",
    Form::Word(&rules::IDENTIFIER),
    "Unique in the stack: its internal host name and its folder unless `folder` names another.",
    "identifier: NAME",
);
const NAME: Key = key("name", Form::Text, "Display name.");
const DESCRIPTION: Key = key("description", Form::Text, "One sentence about it.");
const PACKAGE: Key = key(
    "package",
    Form::Word(&rules::PACKAGE),
    "The package that it instantiates: a git URL with `#TAG`, or a name of the catalog with `#VERSION`.",
);
const PREBUILD_IMAGE: Key = key(
    "prebuildImage",
    Form::Text,
    "Where Diploi keeps an image that it built before; read and not used: images are built here.",
);
const ENV: Key = key("env", Form::Map(&ENVIRONMENT), "Its variables.");
const PART_DEVELOPMENT: Key = key("development", Form::Map(&DEVELOPMENT), "What differs at stage development.");
const CONTAINER_COMMANDS: Key = key("containerCommands", Form::Map(&COMMANDS), "What its container starts, by stage.");
const IMAGE: Key = key("image", Form::Word(&rules::IMAGE), "A ready image.");
const PORT: Key = key(
    "port",
    Form::Number { low: 1, high: 65535 },
    "The port that its container listens on; what the image exposes unless given.",
);
const HEALTH_KEY: Key = key("health", Form::Map(&HEALTH), "How it is found healthy.");
const VOLUMES: Key = key("volumes", Form::List(&VOLUME_ITEMS), "Volumes that outlive releases.");
const BACKED_UP: Key =
    key("backup", Form::Flag, "`false`: backups of the deployment leave its data out; `true` unless given.");
const COMMAND: Key = key("command", Form::List(&COMMAND_WORDS), "Replaces the image's command, at every stage.");
const SCHEDULES: Key = key("schedules", Form::List(&SCHEDULE_ITEMS), "Commands that run in it at their times.");
const RESOURCES_KEY: Key = key("resources", Form::Map(&RESOURCES), "Limits of each of its containers.");

static VOLUME_ITEMS: Items = Items { one: "a volume", instead: "volumes must be a list", form: Form::Map(&VOLUME) };

static WATCHES: Items = Items {
    one: "a watch path",
    instead: "watch must be a list of patterns, as in [\"web/**\", \"!**/*.md\"]",
    form: Form::Word(&WATCH),
};

static COMMAND_WORDS: Items = Items {
    one: "a word of command",
    instead: "command must be a list of words, as in [serve, --port, \"80\"]: no shell reads it",
    form: Form::Text,
};

static ENVIRONMENT: Shape = Shape {
    noun: "env",
    says: "Variables of a component or add-on.",
    keys: &[key("include", Form::OneOrList(&INCLUDES), "Imports of other parts' variables, and variables of its own.")],
};

static INCLUDES: Items = Items {
    one: "an entry of include",
    instead: "include must be a list",
    form: Form::Either(&rules::IMPORT, &INCLUDE),
};

/// An item of `include` that is a mapping.
pub static INCLUDE: Shape = Shape {
    noun: "variable",
    says: "A variable with its value, or an import under another name.",
    keys: &[
        key("name", Form::Word(&rules::ENV_KEY), "Name of the variable."),
        key(
            "value",
            Form::Text,
            "Its value; `${OTHER}`, `${generate-random-password:16}` and the like are filled in, `$${` is a literal `${`.",
        ),
        key("path", Form::Word(&rules::IMPORT), "The variable that is imported: `postgres.POSTGRES_USER`."),
    ],
};

static DEVELOPMENT: Shape = Shape {
    noun: "development",
    says: "What differs at stage development.",
    keys: &[key("env", Form::Map(&ENVIRONMENT), "Variables that are added there.")],
};

/// `sleep` as a mapping.
pub static SLEEP: Shape = Shape {
    noun: "sleep",
    says: "When a deployment falls asleep, and how long a request waits that wakes it.",
    keys: &[
        required("after", Form::Word(&AFTER), "So long without a request, 1s to 30d: 90s, 15m, 2h, 1d.", "after: 15m"),
        key("wait", Form::Word(&WAIT), "How long a request waits for the containers, 1s to 10m; 30s unless given."),
    ],
};

static COMMANDS: Shape = Shape {
    noun: "containerCommands",
    says: "What a container starts, by stage: a list of words, or a line.",
    keys: &[
        key("developmentStart", Form::Words, "At stage development."),
        key("productionStart", Form::Words, "At all other stages."),
    ],
};

static HOST: Shape = Shape {
    noun: "host",
    says: "A public endpoint of a component.",
    keys: &[
        key("identifier", Form::Word(&rules::IDENTIFIER), "Part of `<HOST>_ENDPOINT`; the component's unless given."),
        key("name", Form::Text, "Display name."),
        key(
            "port",
            Form::Number { low: 1, high: 65535 },
            "The port of the container that it leads to; the component's unless given.",
        ),
        key("path", Form::Word(&URL_PATH), "Path prefix that it answers; `/` unless given."),
    ],
};

static BUILD: Shape = Shape {
    noun: "build",
    says: "How an image is built.",
    keys: &[
        key("dockerfile", Form::Word(&FILE), "Dockerfile inside the folder; `Dockerfile` unless given."),
        key("target", Form::Text, "Stage of it to stop at."),
        key("args", Form::Texts, "Build arguments; never secrets, which would stay in the image's history."),
        key("secrets", Form::List(&SECRETS), "Names of the deployment's variables that a RUN may read as secrets."),
        key("cache", Form::Flag, "`false`: each build begins from scratch; `true` unless given."),
        key("limits", Form::Map(&BUILD_LIMITS), "Limits of its builds."),
    ],
};

static BUILD_LIMITS: Shape = Shape {
    noun: "build-limits",
    says: "Limits of a component's builds; the server's unless given, and wherever those are lower.",
    keys: &[
        key("memory", Form::Word(&MEMORY), "Memory, as 512MiB or 2GiB."),
        key("cpus", Form::Word(&CPUS), "Cores, as 0.5 or 2."),
        key("time", Form::Number { low: 1, high: MAX_BUILD_TIME_S }, "Seconds that a build may take."),
    ],
};

static SECRETS: Items = Items {
    one: "a build secret",
    instead: "secrets must be a list of names of variables, as in [NPM_TOKEN]",
    form: Form::Word(&rules::ENV_KEY),
};

static HEALTH: Shape = Shape {
    noun: "health",
    says: "How a container is found healthy, probed from outside.",
    keys: &[
        key(
            "path",
            Form::Word(&URL_PATH),
            "Must answer 2xx or 3xx; any HTTP answer, else an accepted connection, unless given.",
        ),
        key("port", Form::Number { low: 1, high: 65535 }, "Port to probe; the component's unless given."),
        key(
            "timeout",
            Form::Number { low: 1, high: MAX_HEALTH_TIMEOUT_S },
            "Seconds that a new container has to become healthy; 120 unless given.",
        ),
        key(
            "running",
            Form::Number { low: 1, high: MAX_RUNNING_S as u64 },
            "It listens on no port: it is healthy once it has run for so many seconds. Only without hosts, `path` and `port`.",
        ),
    ],
};

static VOLUME: Shape = Shape {
    noun: "volume",
    says: "A volume that outlives releases; parts that name the same identifier share it.",
    keys: &[
        required("identifier", Form::Word(&rules::IDENTIFIER), "Unique in the stack.", "identifier: data"),
        required("path", Form::Word(&MOUNT_PATH), "Absolute folder in the container.", "path: /data"),
        key(
            "sizeMiB",
            Form::Number { low: 1, high: MAX_SIZE_MIB },
            "What is expected to be enough; shown, not enforced.",
        ),
        key("shared", Form::Flag, "Several containers of one component may write to it at the same time."),
    ],
};

static RELEASE: Shape = Shape {
    noun: "release",
    says: "Commands that run once for each release: a program and its arguments, as a list of words or a line; no shell reads them.",
    keys: &[
        key("before", Form::Words, "With the add-ons up, before a component starts; where it fails, the release does."),
        key("after", Form::Words, "Once the release serves alone; where it fails, the release stays live."),
        key(
            "limit",
            Form::Number { low: 1, high: LONGEST_RELEASE_LIMIT_S as u64 },
            "Seconds that each may take; 600 unless given.",
        ),
    ],
};

static SCHEDULE_ITEMS: Items =
    Items { one: "a schedule", instead: "schedules must be a list", form: Form::Map(&SCHEDULE) };

static SCHEDULE: Shape = Shape {
    noun: "schedule",
    says: "A command that runs again and again, at its times.",
    keys: &[
        required("identifier", Form::Word(&SCHEDULE_NAME), "Unique in the stack.", "identifier: nightly"),
        required(
            "cron",
            Form::Word(&CRON),
            "When: minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, @monthly, @yearly.",
            "cron: \"30 2 * * *\"",
        ),
        key("zone", Form::Word(&ZONE), "The time zone in which that is read, as in Europe/Berlin; UTC unless given."),
        required(
            "command",
            Form::Words,
            "What runs: a program and its arguments, as a list of words or a line; no shell reads it.",
            "command: [./bin/report]",
        ),
        key(
            "inside",
            Form::Flag,
            "In the container that runs; a component's command has a container of its own unless given.",
        ),
        key("overlap", Form::Word(&OVERLAP), "What happens when its last run goes on: `skip` unless given."),
        key(
            "limit",
            Form::Number { low: 1, high: MAX_RUN_LIMIT_S },
            "Seconds after which a run is ended; 3600 unless given.",
        ),
        key("catchUp", Form::Flag, "What was due while the server did not run is run once when it is back."),
    ],
};

static RESOURCES: Shape = Shape {
    noun: "resources",
    says: "Limits of each container; none unless given.",
    keys: &[
        key("memory", Form::Word(&MEMORY), "Memory, as 512MiB or 2GiB."),
        key("cpus", Form::Word(&CPUS), "Cores, as 0.5 or 2."),
    ],
};

/// Rules for names.
mod rules {
    use super::*;

    pub const SLUG: &str = "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$";
    pub static IDENTIFIER: Rule = Rule { pattern: Some(SLUG), words: &[], check: parses::<Identifier> };
    pub static ENV_KEY: Rule =
        Rule { pattern: Some("^[A-Za-z_][A-Za-z0-9_]{0,199}$"), words: &[], check: parses::<EnvKey> };
    pub static IMAGE: Rule = Rule { pattern: Some("^[A-Za-z0-9][^\\s]*$"), words: &[], check: parses::<ImageRef> };
    pub static IMPORT: Rule =
        Rule { pattern: Some("^[a-z0-9*][a-zA-Z0-9_*.:-]*$"), words: &[], check: parses::<Import> };
    pub static PACKAGE: Rule = Rule { pattern: Some("^[^\\s]+$"), words: &[], check: parses::<PackageUrl> };
}

static VERSION: Rule = Rule {
    pattern: Some("^v?1(\\.[0-9]+)*$"),
    words: &[],
    check: |text| {
        let major = text.trim_start_matches('v').split('.').next();
        if major == Some("1") {
            Ok(())
        } else {
            Err(format!("{} is not a version that is known here: v1.0 is", quoted(text)))
        }
    },
};

static TYPE: Rule = Rule {
    pattern: None,
    words: &["starter", "project"],
    check: |text| match text {
        "starter" | "project" => Ok(()),
        "component" | "addon" => Err(format!(
            "{} marks the manifest of a package, which others name as `package:`; the manifest of a stack has `components:`",
            quoted(text)
        )),
        _ => Err(format!("{} is not a type: write starter, or leave it out", quoted(text))),
    },
};

static FOLDER: Rule =
    Rule { pattern: None, words: &[], check: |text| if text == "/" { Ok(()) } else { paths::inside(text).map(drop) } };
static FILE: Rule = Rule { pattern: Some("^[^/\\\\]"), words: &[], check: |text| paths::inside(text).map(drop) };
static MOUNT_PATH: Rule =
    Rule { pattern: Some("^/[^:,]*[^:,/][^:,]*$"), words: &[], check: |text| paths::mount(text).map(drop) };
static WATCH: Rule = Rule { pattern: Some("^[^\\\\]{1,201}$"), words: &[], check: watch::check };
static URL_PATH: Rule = Rule { pattern: Some("^/[!-~]*$"), words: &[], check: paths::url };
static SCHEDULE_NAME: Rule = Rule { pattern: Some(rules::SLUG), words: &[], check: parses::<ScheduleName> };
pub(super) static CRON: Rule = Rule { pattern: None, words: &[], check: cron::check_expression };
pub(super) static ZONE: Rule = Rule { pattern: Some("^[A-Za-z0-9_+/-]+$"), words: &[], check: cron::check_zone };
static OVERLAP: Rule = Rule { pattern: None, words: &["skip", "queue", "beside"], check: parses::<Overlap> };
/// A duration as a pattern.
const DURATION_PATTERN: &str = "^[0-9]+[smhd]$";
static AFTER: Rule = Rule { pattern: Some(DURATION_PATTERN), words: &[], check: |text| within(Sleep::after, text) };
static WAIT: Rule = Rule {
    pattern: Some(DURATION_PATTERN),
    words: &[],
    check: |text| within(|wait_s| Sleep { after_s: 1, wait_s }, text),
};
static MEMORY: Rule = Rule {
    pattern: Some("^[0-9]+ *([KMG](iB|i|B)?|[kmg]|B)?$"),
    words: &[],
    check: |text| {
        let wrong = || format!("{} is not a size of at least 6 MiB: write it as 512MiB or 2GiB", quoted(text));
        memory(text).map(drop).ok_or_else(wrong)
    },
};
static CPUS: Rule = Rule {
    pattern: Some("^[0-9]*\\.?[0-9]+$"),
    words: &[],
    check: |text| {
        cpus(text).map(drop).ok_or_else(|| format!("{} is not a number of cores: write it as 0.5 or 2", quoted(text)))
    },
};

/// Whether a text is a `T`, or why not.
pub fn parses<T: FromStr<Err: Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|why| why.to_string())
}

/// A duration that is none too short or too long for what is made of it.
fn within(sleep: impl Fn(u32) -> Sleep, text: &str) -> Result<(), String> {
    let sleep = sleep(duration(text)?);
    sleep.problem().map_or(Ok(()), Err)
}

/// A text as messages show it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.chars().take(80).collect::<String>().escape_debug())
}

/// Bytes of memory.
pub fn memory(text: &str) -> Option<u64> {
    resources::memory(text).filter(|bytes| *bytes >= MIN_MEMORY)
}

/// Thousandths of a core.
pub fn cpus(text: &str) -> Option<u32> {
    resources::cpus(text).filter(|millis| (MIN_CPU_MILLIS..=MAX_CPU_MILLIS).contains(millis))
}
