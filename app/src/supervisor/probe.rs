//! Looks at a container from outside, as the edge will: by its address. It needs no program in the image, and it says
//! what is wrong in words that name the remedy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// From the request to the head of the answer, where a path is given.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// The same without a path: then an accepted connection is enough, and HTTP is only a better sign.
const GREETING_DEADLINE: Duration = Duration::from_secs(2);
/// Bytes of a failing answer that are shown.
const EXCERPT: usize = 200;
/// Bytes of a failing answer that are read.
const MAX_BODY: usize = 64 * 1024;
/// Tried where the image declares nothing and the process cannot be looked at.
const USUAL_PORTS: [u16; 8] = [80, 8080, 3000, 8000, 5000, 5432, 6379, 3306];
/// The engine's own name server listens there in every container.
const ENGINE_DNS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// `TCP_LISTEN` in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// What is looked at.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The container's address.
    pub address: IpAddr,
    /// Must answer 2xx or 3xx; where absent, any HTTP answer or an accepted connection will do.
    pub path: Option<String>,
    /// The path is what apps of this kind usually have: that there is none is an answer, too.
    pub presumed: bool,
    /// Speaks a protocol of its own: a request would be a broken one to it, and a line in its log each time.
    pub addon: bool,
    /// The declared port.
    pub port: Option<u16>,
    /// Ports that the image declares.
    pub exposed: Vec<u16>,
    /// The container's first process; through it its listening sockets can be seen.
    pub pid: Option<u32>,
    /// The port at which it answered last.
    pub found: Option<u16>,
}

impl Target {
    /// Declared, or the only one that the image exposes.
    fn certain(&self) -> Option<u16> {
        match self.exposed[..] {
            _ if self.port.is_some() => self.port,
            [only] => Some(only),
            _ => None,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It answers.
    Healthy { port: u16 },
    /// It does not, and why.
    Failing { problem: String },
}

/// One look. What a container listens on is read only where its port is not known or does not answer: for each reading the
/// kernel walks its table of all connections of the machine.
pub(super) async fn probe(target: &Target) -> Outcome {
    let certain = target.certain();
    if let (None, Some(port)) = (certain, target.found)
        && look(target, port).await.is_ok()
    {
        return Outcome::Healthy { port };
    }
    let mut listening = None;
    let ports = match certain {
        Some(port) => vec![port],
        None => candidates(target, listening.insert(listeners(target).await)),
    };
    let mut last = None;
    for port in ports {
        match look(target, port).await {
            Ok(()) => return Outcome::Healthy { port },
            Err(problem) => last = Some((port, problem)),
        }
    }
    let problem = match last {
        Some((port, Problem::Refused)) => match listening {
            Some(listening) => refused(port, &listening),
            None => refused(port, &listeners(target).await),
        },
        Some((port, Problem::Other(text))) => format!("port {port}: {text}"),
        None => "it listens on no port; declare `port`, or EXPOSE one in the Dockerfile".to_owned(),
    };
    Outcome::Failing { problem }
}

enum Problem {
    Refused,
    Other(String),
}

/// Where no port is certain: what it is found to listen on.
fn candidates(target: &Target, listening: &[Listener]) -> Vec<u16> {
    let open = listening.iter().filter(|listener| !listener.loopback).map(|listener| listener.port);
    let mut ports: Vec<u16> = open.collect();
    ports.sort_unstable();
    ports.dedup();
    if !target.exposed.is_empty() {
        // The image names several: those that are open come first.
        ports.retain(|port| target.exposed.contains(port));
        ports.extend(target.exposed.iter().filter(|port| !ports.contains(port)).copied().collect::<Vec<_>>());
    } else if target.pid.is_none() {
        ports.extend(USUAL_PORTS);
    }
    ports
}

async fn look(target: &Target, port: u16) -> Result<(), Problem> {
    let address = SocketAddr::new(target.address, port);
    let stream = match tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await {
        Err(_) => return Err(Problem::Other(format!("no connection within {} s", CONNECT_DEADLINE.as_secs()))),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Err(Problem::Refused),
        Ok(Err(error)) => return Err(Problem::Other(format!("no connection: {error}"))),
        Ok(Ok(stream)) => stream,
    };
    match &target.path {
        None if target.addon => Ok(()),
        None => {
            // Any answer will do, none too: the connection was accepted.
            tokio::time::timeout(GREETING_DEADLINE, ask(stream, "/")).await.ok();
            Ok(())
        }
        Some(path) => match tokio::time::timeout(ANSWER_DEADLINE, ask(stream, path)).await {
            Err(_) => {
                Err(Problem::Other(format!("GET {path} was not answered within {} s", ANSWER_DEADLINE.as_secs())))
            }
            Ok(Err(error)) => Err(Problem::Other(format!("GET {path} was not answered with HTTP: {error}"))),
            // The app answered: it has no such path, or not for strangers.
            Ok(Ok(Answer { status: 401 | 403 | 404 | 405, .. })) if target.presumed => Ok(()),
            Ok(Ok(answer)) => judge(path, answer),
        },
    }
}

struct Answer {
    status: u16,
    location: Option<String>,
    excerpt: String,
}

async fn ask(stream: TcpStream, path: &str) -> Result<Answer, hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // As the edge will say: or apps that insist on HTTPS would answer with a redirect to it.
    let request = Request::get(path)
        .header("Host", "localhost")
        .header("User-Agent", "Boathouse health check")
        .header("X-Forwarded-Proto", "https")
        .header("Connection", "close")
        .body(Empty::<Bytes>::new());
    let Ok(request) = request else {
        return Ok(Answer { status: 0, location: None, excerpt: "the health path is not a path".to_owned() });
    };
    let exchange = async move { Ok(read(sender.send_request(request).await?).await) };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => match ended {
            Err(error) => Err(error),
            Ok(()) => exchange.await,
        },
    }
}

async fn read(response: Response<Incoming>) -> Answer {
    let status = response.status().as_u16();
    let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
    if (200..400).contains(&status) {
        return Answer { status, location, excerpt: String::new() };
    }
    let body =
        Limited::new(response.into_body(), MAX_BODY).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let excerpt = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect();
    Answer { status, location, excerpt }
}

fn judge(path: &str, answer: Answer) -> Result<(), Problem> {
    let Answer { status, location, excerpt } = answer;
    if (200..400).contains(&status) {
        return Ok(());
    }
    let advice = match status {
        400 => "; if the app checks host names, let it accept `localhost` on this path",
        401 | 403 => "; give a health path that needs no sign-in",
        404 => "; check `health.path`",
        429 => "; exempt this path from the app's rate limit",
        _ => "",
    };
    let location = location.map(|to| format!(" (to {to})")).unwrap_or_default();
    let excerpt = if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") };
    Err(Problem::Other(format!("GET {path} answered {status}{location}{excerpt}{advice}")))
}

/// Nothing listens where it should: say what does.
fn refused(port: u16, listening: &[Listener]) -> String {
    if listening.iter().any(|listener| listener.port == port && listener.loopback) {
        return format!(
            "port {port}: it listens on 127.0.0.1 only and cannot be reached from outside its container; let it listen on 0.0.0.0"
        );
    }
    let mut others: Vec<u16> = listening.iter().map(|listener| listener.port).collect();
    others.sort_unstable();
    others.dedup();
    if others.is_empty() {
        return format!("port {port}: nothing listens there yet");
    }
    let others = others.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    format!("port {port}: nothing listens there; it listens on {others}: declare that port, or let it listen on $PORT")
}

/// A listening socket of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener {
    port: u16,
    loopback: bool,
}

/// The listening sockets in the network of a process. Empty where `/proc` does not show it, for example when we run
/// in a container ourselves.
async fn listeners(target: &Target) -> Vec<Listener> {
    let Some(pid) = target.pid else { return Vec::new() };
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = tokio::fs::read_to_string(format!("/proc/{pid}/net/{table}")).await.unwrap_or_default();
        found.extend(text.lines().skip(1).filter_map(listener));
    }
    found
}

/// One line: `0: 0100007F:1F90 00000000:0000 0A …`; an address is one or four little-endian words.
fn listener(line: &str) -> Option<Listener> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = address.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let words = words.map(|word| word.map(u32::swap_bytes)).collect::<Option<Vec<u32>>>()?;
    let v4 = match words[..] {
        [v4] => Some(Ipv4Addr::from(v4)),
        [0, 0, 0xffff, v4] => Some(Ipv4Addr::from(v4)),
        _ => None,
    };
    let loopback = v4.is_some_and(|v4| v4.is_loopback()) || words == [0, 0, 0, 1];
    (state == LISTEN && v4 != Some(ENGINE_DNS)).then_some(Listener { port, loopback })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers every connection with these bytes; none means it only accepts.
    async fn server(answer: Option<&'static str>) -> (u16, tokio::task::JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                if let Some(answer) = answer {
                    let mut request = [0; 1024];
                    assert!(client.read(&mut request).await.unwrap() > 0);
                    client.write_all(answer.as_bytes()).await.ok();
                } else {
                    held.push(client);
                }
            }
        });
        (port, tasks)
    }

    fn target(port: u16, path: Option<&str>) -> Target {
        Target {
            address: Ipv4Addr::LOCALHOST.into(),
            path: path.map(str::to_owned),
            presumed: false,
            addon: false,
            port: Some(port),
            exposed: vec![],
            pid: None,
            found: None,
        }
    }

    async fn problem(answer: Option<&'static str>) -> String {
        let (port, _tasks) = server(answer).await;
        match probe(&target(port, Some("/healthz"))).await {
            Outcome::Failing { problem } => problem,
            Outcome::Healthy { .. } => "healthy".to_owned(),
        }
    }

    #[tokio::test]
    async fn with_a_path_only_success_counts_and_the_rest_is_explained() {
        assert_eq!(problem(Some("HTTP/1.1 204 No Content\r\n\r\n")).await, "healthy");
        assert_eq!(
            problem(Some("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")).await,
            "healthy"
        );
        let missing = problem(Some("HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\nno\nroute")).await;
        assert!(missing.contains("answered 404: no route; check `health.path`"), "{missing}");
        let locked = problem(Some("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")).await;
        assert!(locked.contains("needs no sign-in"), "{locked}");
        let redis = problem(Some("-ERR unknown command\r\n")).await;
        assert!(redis.contains("not answered with HTTP"), "{redis}");
    }

    #[tokio::test]
    async fn an_app_need_not_have_the_path_that_its_package_presumes() {
        let answers = [
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", false),
            ("-ERR unknown command\r\n", false),
        ];
        for (answer, healthy) in answers {
            let (port, _tasks) = server(Some(answer)).await;
            let found = probe(&Target { presumed: true, ..target(port, Some("/healthz")) }).await;
            assert_eq!(found == Outcome::Healthy { port }, healthy, "{answer}: {found:?}");
        }
    }

    #[tokio::test]
    async fn without_a_path_any_answer_or_an_open_port_is_enough() {
        for answer in [Some("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), Some("-ERR unknown command\r\n"), None] {
            let (port, _tasks) = server(answer).await;
            assert_eq!(probe(&target(port, None)).await, Outcome::Healthy { port }, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn an_addon_without_a_path_is_sent_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addon = Target { addon: true, ..target(port, None) };
        assert_eq!(probe(&addon).await, Outcome::Healthy { port });
        let (mut client, _) = listener.accept().await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_closed_port_names_what_is_open_instead() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let Outcome::Failing { problem } = probe(&target(closed, None)).await else { panic!() };
        assert!(problem.contains("nothing listens there yet"), "{problem}");
        let listening = [Listener { port: 3000, loopback: false }, Listener { port: 80, loopback: true }];
        assert!(refused(8080, &listening).contains("it listens on 80, 3000"));
        assert!(refused(80, &listening).contains("127.0.0.1 only"));
    }

    #[tokio::test]
    async fn the_port_that_answered_is_looked_at_first_and_others_when_it_is_closed() {
        let (port, _tasks) = server(None).await;
        let (other, _others) = server(None).await;
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let target = |found| Target { port: None, exposed: vec![other, closed], found: Some(found), ..target(0, None) };
        assert_eq!(probe(&target(port)).await, Outcome::Healthy { port });
        assert_eq!(probe(&target(closed)).await, Outcome::Healthy { port: other });
    }

    #[test]
    fn ports_are_declared_or_exposed_or_found() {
        let open = [
            Listener { port: 9000, loopback: false },
            Listener { port: 22, loopback: true },
            Listener { port: 443, loopback: false },
        ];
        let target = |port, exposed: &[u16], pid| Target {
            address: Ipv4Addr::LOCALHOST.into(),
            path: None,
            presumed: false,
            addon: false,
            port,
            exposed: exposed.to_vec(),
            pid,
            found: None,
        };
        assert_eq!(target(Some(1), &[2, 3], Some(1)).certain(), Some(1));
        assert_eq!(target(None, &[2], Some(1)).certain(), Some(2));
        assert_eq!(target(None, &[2, 3], Some(1)).certain(), None);
        assert_eq!(candidates(&target(None, &[80, 443], Some(1)), &open), [443, 80]);
        assert_eq!(candidates(&target(None, &[], Some(1)), &open), [443, 9000]);
        assert_eq!(candidates(&target(None, &[], None), &[]), USUAL_PORTS);
    }

    #[test]
    fn sockets_are_read_from_proc() {
        for (line, expected) in [
            ("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000", Some((8080, true))),
            ("   1: 00000000:0050 00000000:0000 0A 0", Some((80, false))),
            ("   2: 0B00007F:A001 00000000:0000 0A 0", None),
            ("   3: 00000000:0050 0100007F:1234 01 0", None),
            (
                "   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 0",
                Some((3000, false)),
            ),
            (
                "   0: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 0",
                Some((3000, true)),
            ),
            ("broken", None),
        ] {
            assert_eq!(listener(line).map(|one| (one.port, one.loopback)), expected, "{line}");
        }
    }
}
