//! What the server is told at its start: flags and environment, parsed completely before anything is opened.

use std::net::SocketAddr;
use std::path::PathBuf;

use boathouse_types::HostName;

/// In MiB; 1 TiB.
const MOST_FLOOR: u64 = 1 << 20;

/// Flags of `boathouse serve`; each has an environment variable.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Where all state lives
    #[arg(long, env = "BOATHOUSE_DATA_DIR", default_value = "/var/lib/boathouse")]
    pub data_dir: PathBuf,
    /// Address for HTTP: redirects to HTTPS, and hosts without TLS
    #[arg(long, env = "BOATHOUSE_HTTP", default_value = "[::]:80")]
    pub http: SocketAddr,
    /// Address for HTTPS
    #[arg(long, env = "BOATHOUSE_HTTPS", default_value = "[::]:443")]
    pub https: SocketAddr,
    /// Host name of the console
    #[arg(long, env = "BOATHOUSE_CONSOLE_HOST", default_value = "boathouse.localhost")]
    pub console_host: HostName,
    /// Domain of generated host names
    #[arg(long, env = "BOATHOUSE_BASE_DOMAIN", default_value = "localhost")]
    pub base_domain: HostName,
    /// The container engine: a unix socket
    #[arg(long, env = "BOATHOUSE_DOCKER", default_value = "/var/run/docker.sock")]
    pub docker: PathBuf,
    /// Addresses for deployments' networks, in CIDR notation
    #[arg(long, env = "BOATHOUSE_NETWORK_POOL", default_value = "10.231.0.0/16")]
    pub network_pool: String,
    /// ACME directory (RFC 8555 §7.1.1)
    #[arg(long, env = "BOATHOUSE_ACME_DIRECTORY", default_value = "https://acme-v02.api.letsencrypt.org/directory")]
    pub acme_directory: String,
    /// E-mail address that the ACME CA may write to
    #[arg(long, env = "BOATHOUSE_ACME_CONTACT")]
    pub acme_contact: Option<String>,
    /// Public addresses of this machine, where it stands behind NAT; host names must point to one of them
    #[arg(long, env = "BOATHOUSE_PUBLIC_ADDRESS", value_delimiter = ',')]
    pub public_address: Vec<std::net::IpAddr>,
    /// DNS server for the check that a name points here, as ADDRESS:53; the system's where absent
    #[arg(long, env = "BOATHOUSE_RESOLVER")]
    pub resolver: Option<SocketAddr>,
    /// Port at which the ACME CA validates names, for tests
    #[arg(long, env = "BOATHOUSE_VALIDATION_PORT", default_value_t = 443, hide = true)]
    pub validation_port: u16,
    /// Proxy for builds, git over HTTP and outgoing calls, as http://HOST:PORT
    #[arg(long, env = "BOATHOUSE_PROXY", value_parser = proxy)]
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy
    #[arg(long, env = "BOATHOUSE_NO_PROXY", value_delimiter = ',')]
    pub no_proxy: Vec<String>,
    /// Extra CA certificates (PEM) for builds, git and outgoing calls
    #[arg(long, env = "BOATHOUSE_CA_BUNDLE")]
    pub ca_bundle: Option<PathBuf>,
    /// Memory that one build may use, in MiB; 0 for no limit
    #[arg(long, env = "BOATHOUSE_BUILD_MEMORY", default_value_t = 2048)]
    pub build_memory: u64,
    /// Processors that one build may use, as in 1.5; 0 for no limit
    #[arg(long, env = "BOATHOUSE_BUILD_CPUS", default_value_t = 0.0)]
    pub build_cpus: f64,
    /// Seconds that one build may take
    #[arg(long, env = "BOATHOUSE_BUILD_TIMEOUT", default_value_t = 1800)]
    pub build_timeout: u64,
    /// Builds at the same time; 0: one for two processors, at most 4, and fewer while the machine is under pressure
    #[arg(long, env = "BOATHOUSE_BUILDS", default_value_t = 0)]
    pub builds: usize,
    /// MiB of memory that must be available for a build to begin
    #[arg(long, env = "BOATHOUSE_BUILD_FLOOR", value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(..=MOST_FLOOR))]
    pub build_floor: u64,
    /// Size of the largest archive that may be uploaded, in MiB
    #[arg(long, env = "BOATHOUSE_MAX_UPLOAD", default_value_t = 2048)]
    pub max_upload: u64,
    /// Seconds that a replaced release has to finish its requests
    #[arg(long, env = "BOATHOUSE_DRAIN_TIMEOUT", default_value_t = 30)]
    pub drain_timeout: u64,
    /// Releases whose images and files are kept for rollback, per deployment
    #[arg(long, env = "BOATHOUSE_KEEP", default_value_t = 10)]
    pub keep: usize,
    /// MiB of the engine's build cache; what was not used for longest goes first. 0: never touched unasked. A tenth of its disk where absent
    #[arg(long, env = "BOATHOUSE_BUILD_CACHE", value_name = "MIB")]
    pub build_cache: Option<u64>,
    /// MiB of an add-on's volumes above which a clone takes its data by the package's dump, not by a copy while it is paused
    #[arg(long, env = "BOATHOUSE_CLONE_DUMP_ABOVE", default_value_t = 1024)]
    pub clone_dump_above: u64,
    /// Folders of this host; deployments may follow folders below them. None where absent
    #[arg(long, env = "BOATHOUSE_FOLDERS", value_delimiter = ',', value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Seconds for which what was deleted can be restored
    #[arg(long, env = "BOATHOUSE_RECYCLE_PERIOD", default_value_t = 7 * 24 * 3600)]
    pub recycle_period: u64,
    /// Log level: error, warn, info, debug, trace, or target=level pairs
    #[arg(long, env = "BOATHOUSE_LOG", default_value = "info")]
    pub log: String,
    /// Log format
    #[arg(long, env = "BOATHOUSE_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Where the service manager listens (sd_notify); systemd sets it
    #[arg(long, env = "NOTIFY_SOCKET", hide = true)]
    pub notify_socket: Option<PathBuf>,
    /// A file that names the step boundary at which the process kills itself, for tests
    #[cfg(debug_assertions)]
    #[arg(long, env = "BOATHOUSE_FAULT", hide = true)]
    pub fault: Option<PathBuf>,
}

impl ServeArgs {
    /// Where the console is.
    pub fn console_url(&self) -> String {
        let port = self.https.port();
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        format!("https://{}{port}", self.console_host)
    }
}

/// One spelling that everybody understands: builds, git and our own calls read it differently otherwise.
fn proxy(text: &str) -> Result<String, String> {
    let text = text.trim();
    let text = text.strip_suffix('/').unwrap_or(text);
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let (scheme, rest) = whole.split_once("://").unwrap_or_default();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let is_plain = !rest.contains(['/', '?', '#']) && !rest.chars().any(|c| c.is_whitespace() || c.is_control());
    if !matches!(scheme, "http" | "https") || host.is_empty() || host.starts_with(':') || !is_plain {
        return Err("a proxy is written http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT".to_owned());
    }
    Ok(whole)
}

/// Where the command line keeps what belongs to its user: `$XDG_CONFIG_HOME/boathouse`, else `~/.config/boathouse`.
#[expect(clippy::disallowed_methods, reason = "this module alone reads the environment")]
pub fn user_folder() -> Option<PathBuf> {
    let set = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(config.join("boathouse"))
}

/// How the server writes its own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The paths below the data directory.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The data directory itself.
    pub root: PathBuf,
}

impl Paths {
    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("boathouse.db")
    }
    /// Locked by the server that uses the directory.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }
    /// The key that seals secrets.
    pub fn secret_key(&self) -> PathBuf {
        self.root.join("secret.key")
    }
    /// The API's socket for the machine's administrator.
    pub fn socket(&self) -> PathBuf {
        self.root.join("boathouse.sock")
    }
    /// The API's socket for the edge.
    pub fn console_socket(&self) -> PathBuf {
        self.root.join("console.sock")
    }
    /// The internal CA's root certificate.
    pub fn ca(&self) -> PathBuf {
        self.root.join("ca.pem")
    }
    /// Mirrors of remotes.
    pub fn git(&self) -> PathBuf {
        self.root.join("git")
    }
    /// Repositories that live on this server.
    pub fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }
    /// Uploaded archives.
    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }
    /// Checkouts and build contexts of releases that are being built.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }
    /// Static trees by digest.
    pub fn sites(&self) -> PathBuf {
        self.root.join("sites")
    }
    /// Pipeline logs.
    pub fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }
    /// Container logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
    /// Copies of the database from before migrations.
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }
    /// Backups of deployments' data, a folder each.
    pub fn data_backups(&self) -> PathBuf {
        self.root.join("data-backups")
    }
    /// All folders that must exist.
    pub fn folders(&self) -> [PathBuf; 9] {
        [
            self.git(),
            self.repositories(),
            self.uploads(),
            self.work(),
            self.sites(),
            self.releases(),
            self.logs(),
            self.backups(),
            self.data_backups(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::proxy;

    #[test]
    fn a_proxy_has_one_spelling() {
        for (given, kept) in [
            ("proxy.example:3128", Some("http://proxy.example:3128")),
            ("http://proxy.example:3128/", Some("http://proxy.example:3128")),
            ("https://a:b%40@proxy.example", Some("https://a:b%40@proxy.example")),
            ("[2001:db8::1]:3128", Some("http://[2001:db8::1]:3128")),
            ("socks5://proxy.example:1080", None),
            ("http://", None),
            ("", None),
            ("http://:3128", None),
            ("http://proxy.example/path", None),
            ("proxy example", None),
        ] {
            assert_eq!(proxy(given).ok().as_deref(), kept, "{given:?}");
        }
    }
}
