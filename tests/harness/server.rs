//! The real server in a data directory of its own, on ports and networks that nobody else has.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use boathouse_types::{NewUser, Role, Setup, SignIn};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::client::{self, Answer, Client};
use super::{Slot, engine, wait_for};

/// The password of everybody in the stories.
pub const PASSWORD: &str = "correct horse battery";
/// From process start to the first answer; far above what is measured, because builds run beside.
const READY: Duration = Duration::from_secs(30);
/// From SIGTERM to the end.
const STOP: Duration = Duration::from_secs(20);
/// Lines of its log that a failed story shows.
const LOG_TAIL: usize = 60;
const BINARY: &str = env!("CARGO_BIN_EXE_boathouse");
const CONSOLE: &str = "boathouse.localhost";

/// How a server is started.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    args: Vec<String>,
    data: Option<PathBuf>,
    addresses: Option<(SocketAddr, SocketAddr)>,
    watches: Option<u32>,
}

impl ServerOptions {
    /// Adds a flag with its value.
    pub fn flag(mut self, flag: &str, value: impl ToString) -> Self {
        self.args.extend([flag.to_owned(), value.to_string()]);
        self
    }

    /// In this data directory, which outlives the server.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// With its edge at these addresses (HTTP, HTTPS) instead of its slot's.
    pub fn addresses(mut self, addresses: (SocketAddr, SocketAddr)) -> Self {
        self.addresses = Some(addresses);
        self
    }

    /// Where the kernel lets it watch so many folders and no more. The limits of this machine are not touched: it has namespaces of its own.
    pub fn watches(mut self, watches: u32) -> Self {
        self.watches = Some(watches);
        self
    }

    fn program(&self) -> Command {
        const LIMITED: &str = "echo \"$0\" >/proc/sys/user/max_inotify_watches && exec \"$@\"";
        let Some(watches) = self.watches else { return Command::new(BINARY) };
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", LIMITED, &watches.to_string(), BINARY]);
        command
    }

    /// Starts it and waits until it answers.
    pub async fn start(self) -> Server {
        let mut server = Server::new(self);
        server.launch();
        server.ready().await;
        server
    }

    /// Starts it where it is expected to refuse; returns its exit code and what it said.
    pub async fn start_and_fail(self) -> (i32, String) {
        let mut server = Server::new(self);
        server.launch();
        let what = "the server that must refuse to start has ended";
        let code = wait_for(READY, what, || std::future::ready(server.ended())).await;
        (code, server.log())
    }
}

/// A running server; dropping it stops it and removes everything that it made at the engine.
pub struct Server {
    options: ServerOptions,
    slot: Slot,
    home: TempDir,
    child: Option<Child>,
}

/// What a command printed and how it ended.
#[derive(Debug, Clone)]
pub struct CliOutput {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl CliOutput {
    /// Panics unless it succeeded.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// What a successful command printed, as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(self) -> T {
        let done = self.ok();
        serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:#?}"))
    }
}

impl Server {
    /// A server as most stories want it.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// For a server that is started in a special way.
    pub fn options() -> ServerOptions {
        ServerOptions { args: Vec::new(), data: None, addresses: None, watches: None }
    }

    fn new(options: ServerOptions) -> Self {
        Self { options, slot: Slot::lease(), home: tempfile::tempdir().unwrap(), child: None }
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.options.data.clone().unwrap_or_else(|| self.home.path().join("data"))
    }

    /// Its socket for this machine's administrator.
    pub fn socket(&self) -> PathBuf {
        self.data().join("boathouse.sock")
    }

    /// Where its edge answers HTTP.
    pub fn http(&self) -> SocketAddr {
        self.options.addresses.map_or_else(|| self.slot.address(0), |(http, _)| http)
    }

    /// Where its edge answers HTTPS.
    pub fn https(&self) -> SocketAddr {
        self.options.addresses.map_or_else(|| self.slot.address(1), |(_, https)| https)
    }

    /// Its ports.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The id by which its objects at the engine are known; empty before its first start.
    pub fn instance(&self) -> String {
        self.try_instance().unwrap_or_default()
    }

    fn try_instance(&self) -> Option<String> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database = rusqlite::Connection::open_with_flags(self.data().join("boathouse.db"), flags).ok()?;
        database.query_row("select value from setting where key = 'instance'", [], |row| row.get(0)).ok()
    }

    /// What it has logged so far, over all its starts.
    pub fn log(&self) -> String {
        fs::read(self.home.path().join("log")).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.home.path().join("log")).unwrap();
        let mut command = self.options.program();
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(self.data())
            .args(["--http", &self.http().to_string(), "--https", &self.https().to_string()])
            .args(["--console-host", CONSOLE, "--network-pool", &self.slot.network_pool()])
            // The engine's build cache is not a story's own.
            .args(["--build-cache", "0"])
            .args(&self.options.args);
        without_settings(&mut command);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().expect("the binary can be started"));
    }

    async fn ready(&mut self) {
        let began = Instant::now();
        let probe = Client::over_socket(&self.socket());
        while probe.try_send(http::Method::GET, "/healthz", None).await.is_err() || !accepts(self.https()) {
            if let Some(code) = self.ended() {
                panic!("the server ended with code {code} instead of starting:\n{}", self.log());
            }
            assert!(began.elapsed() < READY, "the server does not answer after {READY:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The exit code, once it has ended by itself; 256 where a signal ended it.
    pub fn ended(&mut self) -> Option<i32> {
        let status = self.child.as_mut()?.try_wait().unwrap()?;
        Some(status.code().unwrap_or(256))
    }

    /// SIGKILL: nothing of it runs on, nothing is tidied up.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// SIGTERM, and waits until it has ended; returns the exit code.
    pub async fn stop(&mut self) -> i32 {
        self.signal(Signal::TERM);
        let code = wait_for(STOP, "the server has stopped", || std::future::ready(self.ended())).await;
        self.child = None;
        code
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Starts it again after [`Server::kill`] or [`Server::stop`], on the same ports.
    pub async fn start_again(&mut self) {
        self.start_again_without_waiting();
        self.ready().await;
    }

    /// As [`Server::start_again`], for stories that watch the start.
    pub fn start_again_without_waiting(&mut self) {
        assert!(self.child.is_none(), "it still runs");
        self.launch();
    }

    /// The machine's administrator, over the unix socket.
    pub fn local(&self) -> Client {
        Client::over_socket(&self.socket())
    }

    /// Somebody at the console's address who is not signed in.
    pub async fn anon(&self) -> Client {
        Client::over_https(CONSOLE, self.https(), &self.root().await)
    }

    /// A signed-in administrator (`admin`), made on the first call.
    pub async fn admin(&self) -> Client {
        let setup = Setup { token: String::new(), name: "admin".parse().unwrap(), password: PASSWORD.into() };
        let made = self.local().post("/api/v1/setup", &setup).await;
        assert!(made.status.is_success() || made.status == 404, "{}", made.text());
        self.sign_in("admin").await
    }

    /// A signed-in member.
    pub async fn member(&self) -> Client {
        self.user("member", Role::Member).await
    }

    /// A signed-in viewer.
    pub async fn viewer(&self) -> Client {
        self.user("viewer", Role::Viewer).await
    }

    async fn user(&self, name: &str, role: Role) -> Client {
        let user = NewUser { name: name.parse().unwrap(), role, password: PASSWORD.into() };
        let made = self.local().post("/api/v1/users", &user).await;
        assert!(made.status.is_success() || made.status == 409, "{}", made.text());
        self.sign_in(name).await
    }

    /// Signs in with [`PASSWORD`]: the session's cookie, and the header that a changing request needs with it.
    pub async fn sign_in(&self, name: &str) -> Client {
        let anon = self.anon().await;
        let credentials = SignIn { name: name.into(), password: PASSWORD.into() };
        let answer = anon.clone().with_header("x-boathouse-csrf", "1").post("/api/v1/session", &credentials).await.ok();
        let cookie = answer.header("set-cookie").expect("a session cookie").split(';').next().unwrap().to_owned();
        anon.with_header("cookie", &cookie).with_header("x-boathouse-csrf", "1")
    }

    /// The root certificate of its internal CA, as a visitor would download it.
    pub async fn root(&self) -> Vec<u8> {
        self.local().get("/api/v1/ca.pem").await.ok().body.to_vec()
    }

    /// GET of a host through the edge, with certificate verification.
    pub async fn visit(&self, host: &str, path: &str) -> Answer {
        Client::over_https(host, self.https(), &self.root().await).get(path).await
    }

    /// An HTTPS client for many requests to any of its hosts; URLs need [`Server::https`]'s port.
    pub async fn visitor(&self) -> reqwest::Client {
        client::https(&self.root().await)
    }

    /// A URL of a host at its edge.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.https().port())
    }

    /// Runs the command line on the server's own machine: no token, the unix socket.
    pub async fn cli<S: AsRef<OsStr>>(&self, args: &[S]) -> CliOutput {
        self.cli_in(self.home.path(), args, &[]).await
    }

    /// The same with something on standard input.
    pub async fn cli_with_input<S: AsRef<OsStr>>(&self, args: &[S], input: &str) -> CliOutput {
        let file = self.home.path().join("input");
        fs::write(&file, input).unwrap();
        self.command(self.home.path(), args, &[], Stdio::from(File::open(file).unwrap())).await
    }

    /// The same in a folder and with more environment variables.
    pub async fn cli_in<S: AsRef<OsStr>>(&self, folder: &Path, args: &[S], env: &[(&str, &str)]) -> CliOutput {
        self.command(folder, args, env, Stdio::null()).await
    }

    async fn command<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        args: &[S],
        env: &[(&str, &str)],
        input: Stdio,
    ) -> CliOutput {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(folder).stdin(input);
        without_settings(&mut command)
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("BOATHOUSE_DATA_DIR", self.data())
            .envs(env.iter().copied());
        let output = tokio::process::Command::from(command).output().await.expect("the binary can be started");
        CliOutput {
            code: output.status.code().unwrap_or(256),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The settings of whoever runs the tests must not reach the server under test.
fn without_settings(command: &mut Command) -> &mut Command {
    let settings = std::env::vars().map(|(key, _)| key).filter(|key| key.starts_with("BOATHOUSE_"));
    for key in settings {
        command.env_remove(key);
    }
    command
}

fn accepts(address: SocketAddr) -> bool {
    std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        let instance = self.try_instance();
        if let Some(mut child) = self.child.take() {
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            _ = kill_process(pid, Signal::TERM);
            let began = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && began.elapsed() < STOP {
                std::thread::sleep(Duration::from_millis(10));
            }
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of the server's log:\n{}", lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n"));
        }
        if let Some(instance) = instance {
            engine::clean_up(instance);
        }
    }
}
