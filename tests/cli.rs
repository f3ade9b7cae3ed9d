//! The command line against an API in this process: words, JSON, exit codes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use boathouse_types::*;

use crate::api_desk::Desk;
use crate::harness::{CliOutput, PASSWORD, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_boathouse");

struct Shell<'a> {
    desk: &'a Desk,
}

fn command(folder: &Path, home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).current_dir(folder).env_clear().env("HOME", home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Off this thread: the API that the command calls may run here.
async fn run(mut command: Command, stdin: String) -> CliOutput {
    tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // Whoever fails early does not read it.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        let output = child.wait_with_output().unwrap();
        CliOutput {
            code: output.status.code().unwrap_or(256),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    })
    .await
    .unwrap()
}

impl Shell<'_> {
    /// Runs a command in a folder; `stdin` is what it reads.
    async fn run_in(&self, folder: &Path, args: &[&str], stdin: &str) -> CliOutput {
        let mut command = command(folder, &self.desk.home(), args);
        command.env("BOATHOUSE_DATA_DIR", &self.desk.app.paths.root);
        run(command, stdin.to_owned()).await
    }

    async fn run(&self, line: &str) -> CliOutput {
        self.typed(line, "").await
    }

    async fn typed(&self, line: &str, stdin: &str) -> CliOutput {
        let args: Vec<&str> = line.split(' ').collect();
        self.run_in(&self.desk.home(), &args, stdin).await
    }
}

#[tokio::test]
async fn exit_codes_say_what_kind_of_failure() {
    let desk = Desk::open();
    let shell = Shell { desk: &desk };
    shell.run("project create shop").await.ok();
    for (line, code) in [
        ("project list", 0),
        ("no-such-command", 2),
        ("project create Not-A-Name", 2),
        ("domain add app.test --component web --tls acme -p shop", 3),
        ("project show none", 6),
        ("project create shop", 7),
        ("release cancel 1 -p shop", 6),
        ("rollback -p shop", 6),
        ("status", 0),
        ("status none", 6),
        ("deploy . -p none", 6),
        ("--socket /nowhere/x.sock status", 10),
        ("--url http://127.0.0.1:1 status", 10),
        ("completions bash", 0),
        ("openapi", 0),
        ("token create ci", 7),
        ("user role nobody king", 2),
        ("user role nobody member", 6),
        ("user password", 3),
        ("project delete shop", 3),
    ] {
        let done = shell.run(line).await;
        assert_eq!(done.code, code, "{line}: {done:#?}");
        if code > 2 {
            assert!(done.stderr.starts_with("error: "), "{line}: {}", done.stderr);
            assert_eq!(done.stdout, "", "{line}");
        }
    }
    let told = shell.run("project create shop").await.stderr;
    assert_eq!(
        told,
        "error: a project named \"shop\" exists already\nhint: Choose another name, or deploy to the existing project.\n"
    );
}

#[tokio::test]
async fn every_shell_gets_a_script_that_knows_the_commands() {
    let desk = Desk::open();
    let shell = Shell { desk: &desk };
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shell.run(&format!("completions {name}")).await.ok().stdout;
        for word in ["boathouse", "rollback", "domain", "--json"] {
            // fish writes options without their dashes.
            assert!(script.contains(word.trim_start_matches('-')), "{name} does not know {word}");
        }
    }
    let script = shell.run("completions bash").await.ok().stdout;
    let file = desk.home().join("completions");
    std::fs::write(&file, format!("{script}\ncomplete -p boathouse\n")).unwrap();
    let bash = std::process::Command::new("bash").arg(file).output().unwrap();
    assert!(bash.status.success(), "{bash:?}");
    assert!(String::from_utf8_lossy(&bash.stdout).contains("boathouse"), "{bash:?}");
}

#[tokio::test]
async fn events_are_told_newest_last_and_as_they_happen() {
    let desk = Desk::open();
    let shell = Shell { desk: &desk };
    for line in ["project create shop", "project create blog", "deployment create staging -p shop"] {
        shell.run(line).await.ok();
    }
    let told = shell.run("events").await.ok().stdout;
    let place = |words: &str| told.find(words).unwrap_or_else(|| panic!("no {words} in {told}"));
    assert!(place("shop") < place("blog") && place("project.created") < place("deployment.created"), "{told}");
    let of_shop: Vec<Event> = shell.run("events --project shop --json").await.json();
    assert!(of_shop.len() >= 2 && of_shop.iter().all(|event| event.project.as_ref().unwrap().as_str() == "shop"));
    assert!(of_shop.is_sorted_by_key(|event| event.id));
    let one: Vec<Event> = shell.run(&format!("events --limit 1 --before {} --json", of_shop[1].id)).await.json();
    assert_eq!((one.len(), one[0].id < of_shop[1].id), (1, true));
    assert_eq!(shell.run("events --deployment staging").await.code, 2, "a deployment belongs to a project");

    let mut follow = command(&desk.home(), &desk.home(), &["events", "--follow", "--limit", "1"]);
    let mut child = follow.env("BOATHOUSE_DATA_DIR", &desk.app.paths.root).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::result::Result::ok);
    let (first, mut lines) = tokio::task::spawn_blocking(move || (lines.next(), lines)).await.unwrap();
    assert!(first.unwrap().contains("deployment.created"));
    shell.run("project create docs").await.ok();
    let next = tokio::task::spawn_blocking(move || lines.next()).await.unwrap();
    assert!(next.as_ref().is_some_and(|line| line.contains("docs")), "{next:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn json_for_programs() {
    let desk = Desk::open();
    let shell = Shell { desk: &desk };
    let session: Session =
        shell.typed("setup --name ada --password-stdin --json", &format!("{PASSWORD}\n")).await.json();
    assert_eq!((session.name.as_str(), session.role), ("ada", Role::Admin));
    assert_eq!(shell.run("setup-token").await.code, 6);
    let project: Project = shell.run("project create shop --json").await.json();
    assert_eq!(project.name.as_str(), "shop");
    let projects: Vec<Project> = shell.run("--json project list").await.json();
    assert_eq!(projects.len(), 1);
    let made: CreatedToken = shell.run("token create ci --user ada --scope read --days 5 --json").await.json();
    assert!(made.secret.starts_with("bh_"));
    let tokens: Vec<Token> = shell.run("token list --json").await.json();
    assert_eq!(tokens[0].scope, Scope::Read);
    shell.run(&format!("token revoke {}", tokens[0].id)).await.ok();
    let system: System = shell.run("system --json").await.json();
    assert_eq!(system.base_domain, "localhost");
    let _: Vec<TaskStatus> = shell.run("tasks --json").await.json();
    let host: Host = shell.run("domain add app.example.com --component web -p shop --json").await.json();
    assert_eq!(host.tls, TlsMode::Acme);
    shell.run("domain remove app.example.com -p shop --json").await.ok();
    let failed = shell.run("project show none --json").await;
    let envelope: ApiError = serde_json::from_str(&failed.stderr).unwrap();
    assert_eq!(envelope.error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn variables_by_argument_and_by_file() {
    let desk = Desk::open();
    let shell = Shell { desk: &desk };
    shell.run("project create shop").await.ok();
    shell.run("env set A=1 B=x=y --plain -p shop").await.ok();
    shell.typed("env set SECRET -p shop", "from stdin\n").await.ok();
    fs::write(desk.home().join("vars"), "# c\nC='quoted $x'\n").unwrap();
    let all: Vec<EnvVar> = shell.run("env import vars -p shop --json").await.json();
    let shown: Vec<_> = all.iter().map(|v| (v.key.as_str(), v.value.as_deref())).collect();
    assert_eq!(shown, [("A", Some("1")), ("B", Some("x=y")), ("C", None), ("SECRET", None)]);
    shell.run("env unset A B -p shop").await.ok();
    let listed = shell.run("env list -p shop").await.ok().stdout;
    assert!(listed.contains("(secret)") && !listed.contains("from stdin") && !listed.contains("A "), "{listed}");
}

#[tokio::test]
async fn a_folder_is_packed_and_sent() {
    let desk = Desk::open();
    let shell = Shell { desk: &desk };
    let folder = desk.home().join("My-Shop");
    fs::create_dir_all(folder.join("node_modules")).unwrap();
    fs::write(folder.join("boathouse.yaml"), "components: []\n").unwrap();
    fs::write(folder.join(".gitignore"), "node_modules\n").unwrap();
    fs::write(folder.join("node_modules/x.js"), "x".repeat(10_000)).unwrap();
    // The folder has a manifest, so its name is the project's; --create makes it.
    let sent = shell.run_in(&folder, &["deploy", "--create", "--detach", "--json"], "").await;
    let release: Release = sent.json();
    assert_eq!((release.project.as_str(), release.number, release.state), ("my-shop", 1, ReleaseState::Queued));
    assert_eq!(release.reference.as_deref(), Some("My-Shop"));
    let stored = fs::read_dir(desk.app.paths.uploads()).unwrap().next().unwrap().unwrap().path();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(stored).unwrap()));
    let names: Vec<_> = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, [".gitignore", "boathouse.yaml"]);
    // A link names the project from anywhere below.
    fs::write(folder.join(".boathouse"), "my-shop/production\n").unwrap();
    let list: Vec<Release> = shell.run_in(&folder, &["release", "list", "--json"], "").await.json();
    assert_eq!(list.len(), 1);
    let missing = shell.run("deploy nowhere -p my-shop").await;
    assert_eq!(missing.code, 3, "{missing:#?}");
}

#[tokio::test]
async fn waiting_for_a_release_that_is_cancelled_fails() {
    let desk = Desk::open();
    let shell = Shell { desk: &desk };
    fs::write(desk.home().join("site.tar.gz"), crate::harness::tar_gz(&[("index.html", b"x".as_slice())])).unwrap();
    shell.run("project create shop").await.ok();
    let watching = shell.run("deploy --archive site.tar.gz -p shop");
    let cancelling = async {
        let local = desk.local();
        let path = format!("{}/releases/1/cancel", crate::harness::at("shop", "production"));
        let journal = crate::harness::wait_for(crate::harness::seconds(20), "the release is there", || async {
            let answer = local.post(&path, &()).await;
            answer.status.is_success().then(|| answer.json::<Release>())
        });
        let release = journal.await;
        desk.app.logs.pipeline(release.id).close();
    };
    let (done, ()) = tokio::join!(watching, cancelling);
    assert_eq!(done.code, 1, "{done:#?}");
    assert!(done.stderr.contains("error: release #1 was cancelled by local"), "{}", done.stderr);
}

#[tokio::test]
async fn a_backup_is_restored_offline() {
    let desk = Desk::open();
    let shell = Shell { desk: &desk };
    shell.run("project create shop").await.ok();
    shell.typed("backup out.tar.gz --passphrase-stdin", "a long passphrase\n").await.ok();
    assert_eq!(
        shell.typed("backup out.tar.gz --passphrase-stdin", "a long passphrase\n").await.code,
        3,
        "no backup is overwritten"
    );
    let wrong = shell.typed("--data-dir restored restore out.tar.gz --passphrase-stdin", "not this passphrase\n").await;
    assert_eq!(wrong.code, 4, "{wrong:#?}");
    shell.typed("--data-dir restored restore out.tar.gz --passphrase-stdin", "a long passphrase\n").await.ok();
    assert!(desk.home().join("restored/boathouse.db").exists());
    let occupied =
        shell.typed("restore out.tar.gz --passphrase-stdin --data-dir restored", "a long passphrase\n").await;
    assert_eq!(occupied.code, 7);
}

#[tokio::test]
async fn from_elsewhere_with_a_token() {
    let server = Server::start().await;
    server.admin().await;
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("ca.pem"), server.root().await).unwrap();
    let made: CreatedToken =
        server.cli(&["token", "create", "t", "--user", "admin", "--scope", "read", "--json"]).await.json();
    let run = |args: &[&str], stdin: &str| run(command(home.path(), home.path(), args), stdin.to_owned());
    let url = server.url("boathouse.localhost", "");
    assert_eq!(run(&["status"], "").await.code, 10, "no server is known yet");
    let unknown = run(&["login", &url, "--ca", "ca.pem", "--token-stdin"], "bh_wrong\n").await;
    assert_eq!(unknown.code, 4, "{unknown:#?}");
    let untrusted = run(&["login", &url, "--token-stdin"], &made.secret).await;
    assert_eq!(untrusted.code, 10, "the internal CA is not trusted by itself");
    let session: Session =
        run(&["login", &url, "--ca", "ca.pem", "--token-stdin", "--json"], &made.secret).await.json();
    assert_eq!((session.name.as_str(), session.role), ("admin", Role::Viewer));
    let file = home.path().join(".config/boathouse/credentials.json");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let _: Vec<Project> = run(&["project", "list", "--json"], "").await.json();
    assert_eq!(run(&["project", "create", "shop"], "").await.code, 5, "the token may only read");
    let passwords = "correct horse battery\na new sentence of words\n";
    run(&["user", "password", "--password-stdin"], passwords).await.ok();
    let again = run(&["user", "password", "--password-stdin"], passwords).await;
    assert_eq!(again.code, 3, "the current password is another one now: {again:#?}");
    run(&["logout"], "").await.ok();
    assert_eq!(run(&["status"], "").await.code, 10);
}

#[tokio::test]
async fn the_hello_server_greets_and_obeys() {
    let port = crate::harness::free_port();
    let mut child = Command::new(BINARY)
        .args(["hello", "--port", &port.to_string()])
        .env("BOATHOUSE_STAGE", "production")
        .spawn()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}/some/path");
    let http = reqwest::Client::builder().no_proxy().build();
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let http = http.or_else(|_| reqwest::Client::builder().no_proxy().build()).unwrap();
    let text = crate::harness::wait_for(crate::harness::seconds(20), "hello answers", || async {
        http.get(&url).send().await.ok()?.text().await.ok()
    })
    .await;
    let greeting: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(greeting["message"], "Hello from Boathouse");
    assert_eq!((greeting["path"].as_str(), greeting["stage"].as_str()), (Some("/some/path"), Some("production")));
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let at_once = Command::new(BINARY).args(["hello", "--port", "1"]).env("HELLO_EXIT_AT_ONCE", "7").output().unwrap();
    assert_eq!(at_once.status.code(), Some(7));
}
