//! The app that the stories deploy: one static binary `FROM scratch`, so that no image is pulled and each build takes a moment.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::archive::tar_gz;

const SOURCE: &str = include_str!("app/main.rs");

/// One version of the app; each method changes how it behaves. See `app/main.rs` for what it answers.
#[derive(Debug, Clone)]
pub struct TestApp {
    args: Vec<String>,
    manifest: Option<String>,
    exposed: Option<u16>,
    steps: String,
    extra: Vec<(String, Vec<u8>)>,
}

/// The app that answers `/` with this text and exits on SIGTERM at once.
pub fn app(version: &str) -> TestApp {
    TestApp {
        args: vec!["--version".into(), version.into()],
        manifest: None,
        exposed: Some(8080),
        steps: String::new(),
        extra: Vec::new(),
    }
}

impl TestApp {
    /// Adds an argument with a value.
    pub fn with(mut self, flag: &str, value: impl ToString) -> Self {
        self.args.extend([flag.to_owned(), value.to_string()]);
        self
    }

    /// Listens only after so many milliseconds.
    pub fn slow_start(self, milliseconds: u64) -> Self {
        self.with("--start-after", milliseconds)
    }

    /// Goes on as if nothing had happened when told to stop.
    pub fn ignores_sigterm(self) -> Self {
        self.with("--on-term", "ignore")
    }

    /// Closes its listener when told to stop, but goes on answering on open connections.
    pub fn closes_listener_on_sigterm(self) -> Self {
        self.with("--on-term", "close")
    }

    /// Exits with this code right after its start.
    pub fn exits_at_once(self, code: u8) -> Self {
        self.with("--exit", code)
    }

    /// Runs but never listens.
    pub fn never_listens(self) -> Self {
        self.with("--listen", "never")
    }

    /// Declares another port than it listens on, or none.
    pub fn exposes(mut self, port: Option<u16>) -> Self {
        self.exposed = port;
        self
    }

    /// With one more line in its Dockerfile, after the app is there.
    pub fn build_step(mut self, line: &str) -> Self {
        self.steps.push_str(&format!("{line}\n"));
        self
    }

    /// With this `boathouse.yaml`; its one component has to lie in the root folder (`folder: /`).
    pub fn manifest(mut self, yaml: &str) -> Self {
        self.manifest = Some(yaml.to_owned());
        self
    }

    /// With one more file.
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.extra.push((path.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// Its Dockerfile.
    pub fn dockerfile(&self) -> String {
        let expose = self.exposed.map(|port| format!("EXPOSE {port}\n")).unwrap_or_default();
        let command = serde_json::to_string(&[&["/app".to_owned()], self.args.as_slice()].concat()).unwrap();
        format!("FROM scratch\nCOPY app /app\n{}{expose}ENTRYPOINT {command}\n", self.steps)
    }

    /// Everything that its folder holds; `*` marks what is executable, as in [`tar_gz`].
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![
            ("Dockerfile".to_owned(), self.dockerfile().into_bytes()),
            ("app*".to_owned(), fs::read(binary()).unwrap()),
        ];
        files.extend(self.manifest.iter().map(|yaml| ("boathouse.yaml".to_owned(), yaml.clone().into_bytes())));
        files.extend(self.extra.iter().cloned());
        files
    }

    /// Its folder as an archive to upload.
    pub fn archive(&self) -> Vec<u8> {
        tar_gz(&self.files())
    }
}

/// Writes files as [`tar_gz`] packs them.
pub(super) fn write_files(folder: &Path, files: &[(String, Vec<u8>)]) {
    use std::os::unix::fs::PermissionsExt;
    for (path, content) in files {
        let target = folder.join(path.trim_end_matches('*'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(&target, content).unwrap();
        if path.ends_with('*') {
            fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// The static binary, compiled once per source and kept beside the test's own build.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        SOURCE.hash(&mut hasher);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let target = folder.join(format!("app-{:016x}", hasher.finish()));
        if !target.exists() {
            compile(folder, &target);
        }
        target
    })
}

fn compile(folder: &Path, target: &Path) {
    let work = tempfile::tempdir_in(folder).unwrap();
    let (source, built) = (work.path().join("main.rs"), work.path().join("app"));
    fs::write(&source, SOURCE).unwrap();
    let output = Command::new(rustc())
        .args(["--edition", "2024", "-C", "target-feature=+crt-static", "-C", "opt-level=s", "-C", "strip=symbols"])
        .args(["-C", "panic=abort", "-o"])
        .args([&built, &source])
        .output()
        .expect("rustc can be started");
    assert!(output.status.success(), "the test app does not compile:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&built, target).unwrap();
}

/// The compiler beside the cargo that runs the tests.
fn rustc() -> PathBuf {
    let beside = std::env::var_os("CARGO").map(|cargo| Path::new(&cargo).with_file_name("rustc"));
    beside.filter(|path| path.exists()).unwrap_or_else(|| "rustc".into())
}
