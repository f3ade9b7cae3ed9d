//! Repositories to deploy from: on the disk, over HTTP by git's own CGI program, over SSH by a daemon of our own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use base64::Engine as _;
use tempfile::TempDir;

use super::app::write_files;
use super::{Slot, lfs, wait_for};

/// A repository in a temporary folder, with one branch `main`.
pub struct GitRepo {
    folder: TempDir,
}

impl GitRepo {
    /// A repository whose first commit has these files.
    pub fn new(files: &[(String, Vec<u8>)]) -> Self {
        let repo = Self { folder: tempfile::tempdir().unwrap() };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo.commit(files, "first");
        repo
    }

    /// A repository with the files of a folder.
    pub fn of_folder(source: &Path) -> Self {
        let repo = Self { folder: tempfile::tempdir().unwrap() };
        let copied = Command::new("cp").arg("-a").arg(source.join(".")).arg(repo.path()).status();
        assert!(copied.unwrap().success());
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo.commit(&[], "first");
        repo
    }

    /// Writes files and commits everything; returns the commit's name.
    pub fn commit(&self, files: &[(String, Vec<u8>)], message: &str) -> String {
        write_files(self.path(), files);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in it; returns what it printed.
    pub fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path()).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]).args(args);
        let output = git.env("GIT_CONFIG_NOSYSTEM", "1").output().expect("git is installed");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its address on this machine.
    pub fn url(&self) -> String {
        self.path().display().to_string()
    }
}

/// Serves repositories over smart HTTP (gitprotocol-http(5)).
pub struct GitHttp {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

impl GitHttp {
    /// Serves the repository to everybody.
    pub fn serve(repo: &GitRepo) -> Self {
        Self::start(&[("repo", repo)], None)
    }

    /// Serves the repository to whoever knows name and password.
    pub fn serve_with_password(repo: &GitRepo, name: &str, password: &str) -> Self {
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        Self::start(&[("repo", repo)], Some(format!("Basic {credentials}")))
    }

    /// Serves several repositories, each by its name; with a name and a password, to whoever knows both.
    pub fn serve_all(repos: &[(&str, &GitRepo)], login: Option<(&str, &str)>) -> Self {
        let credentials =
            |(name, password)| base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        Self::start(repos, login.map(|login| format!("Basic {}", credentials(login))))
    }

    /// The address of one of several.
    pub fn url_of(&self, name: &str) -> String {
        format!("http://{}/{name}.git", self.address)
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        format!("http://{}/repo.git", self.address)
    }

    /// The same with an owner, as at a git host.
    pub fn owned_url(&self) -> String {
        format!("http://{}/ada/repo.git", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn start(repos: &[(&str, &GitRepo)], wanted: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, stopping) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let named = repos.iter().map(|(name, repo)| (format!("/{name}.git"), repo.path().join(".git")));
        let (folders, stop) = (named.collect::<Vec<_>>(), stopping.clone());
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (folders, wanted) = (folders.clone(), wanted.clone());
                thread::spawn(move || answer(&connection, &folders, wanted.as_deref()));
            }
        });
        Self { address, stopping }
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn answer(mut connection: &TcpStream, repos: &[(String, PathBuf)], wanted: Option<&str>) -> Option<()> {
    let mut input = BufReader::new(connection);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        let found = head.iter().skip(1).filter_map(|line| line.split_once(": "));
        found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    if wanted.is_some_and(|wanted| header("authorization").as_deref() != Some(wanted)) {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return connection.write_all(refusal.as_bytes()).ok();
    }
    let mut request = head.first()?.split(' ');
    let (method, target) = (request.next()?, request.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut body = vec![0; header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    input.read_exact(&mut body).ok()?;
    let asked = path.strip_prefix("/ada").unwrap_or(path);
    let Some((repo, path)) = repos.iter().find_map(|(name, repo)| Some((repo, asked.strip_prefix(name.as_str())?)))
    else {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
    };
    if path.starts_with("/info/lfs/") {
        let address = format!("http://{}{}", header("host")?, target.split("/info/lfs/").next()?);
        return lfs::answer(connection, repo, &address, path, &body);
    }
    let mut backend = Command::new("git");
    backend
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", repo)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default());
    if wanted.is_some() {
        // Whoever signed in may push.
        backend.env("REMOTE_USER", "ada");
    }
    let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    child.stdin.take()?.write_all(&body).ok()?;
    let output = child.wait_with_output().ok()?.stdout;
    // CGI (RFC 3875 §6.3): a Status header instead of a status line.
    let text = String::from_utf8_lossy(&output[..output.len().min(2000)]).into_owned();
    let status = text.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    connection.write_all(format!("HTTP/1.1 {status}\r\nconnection: close\r\n").as_bytes()).ok()?;
    connection.write_all(&output).ok()
}

/// An SSH daemon that lets in one key, as the user who runs the tests.
pub struct GitSsh {
    daemon: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl GitSsh {
    /// Starts it; `public_key` in OpenSSH format may enter.
    pub async fn start(slot: &Slot, public_key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = slot.address(7);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.path().join("host"))
            .status();
        assert!(made.expect("openssh-client is installed").success());
        if rustix::process::geteuid().is_root() {
            // The daemon's privilege separation wants it, and only a package's service unit makes it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let config = folder.path().join("config");
        fs::write(&config, sshd_config(folder.path(), address)).unwrap();
        let daemon = Command::new("/usr/sbin/sshd")
            .args(["-D", "-E"])
            .arg(folder.path().join("log"))
            .arg("-f")
            .arg(&config)
            .spawn()
            .expect("openssh-server is installed");
        let ssh = Self { daemon, folder, address };
        ssh.allow(public_key);
        wait_for(super::seconds(10), "sshd listens", || async { TcpStream::connect(address).ok() }).await;
        ssh
    }

    /// From now on this key alone may enter.
    pub fn allow(&self, public_key: &str) {
        fs::write(self.folder.path().join("keys"), format!("{}\n", public_key.trim())).unwrap();
    }

    /// A repository's address through it.
    pub fn url(&self, repo: &GitRepo) -> String {
        let output = Command::new("id").arg("--user").arg("--name").output().unwrap();
        let user = String::from_utf8(output.stdout).unwrap();
        format!("ssh://{}@{}{}", user.trim(), self.address, repo.url())
    }

    /// What the daemon says about who came and why they were sent away.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for GitSsh {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

fn sshd_config(folder: &Path, address: SocketAddr) -> String {
    let at = |name: &str| -> PathBuf { folder.join(name) };
    format!(
        "ListenAddress {}\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n",
        address.ip(),
        address.port(),
        at("host").display(),
        at("keys").display(),
    )
}
