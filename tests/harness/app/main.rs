//! An HTTP/1.1 server with the habits, good and bad, of the apps that people deploy. Standard library only: it is compiled alone.
//!
//! `/` answers the version; `/headers` the request as it arrived; `/env?KEY` a variable; `/delay?MS` late; `/stream?COUNT,MS` in
//! chunks; `/size?BYTES` that many; `/body` how much was sent; `/write?TEXT` appends to /data/text, `/read` reads it,
//! `/fill?BYTES` makes /data/filler of that size;
//! `/ask?HOST:PORT` answers what that one does to `/`; `/print?TEXT` writes a line to its log, `/print-bytes` one that is no UTF-8,
//! `/print-long?BYTES` a long one; `/exit?CODE` ends it; an `Upgrade` is echoed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

static STOPPING: AtomicBool = AtomicBool::new(false);

fn main() {
    let options = Options::parse();
    block_sigterm();
    println!("version {} starts", options.version);
    if let Some(code) = options.exit {
        eprintln!("cannot go on: configuration is missing");
        exit(code);
    }
    if !options.listens {
        wait_for_sigterm();
        exit(0);
    }
    if options.start_after > 0 && options.on_term == OnTerm::Exit {
        // Told to stop while still starting: stop.
        thread::spawn(|| {
            wait_for_sigterm();
            exit(0);
        });
    }
    thread::sleep(Duration::from_millis(options.start_after));
    let listener = TcpListener::bind((options.address.as_str(), options.port)).expect("the port is free");
    println!("version {} listens on {}", options.version, options.port);
    let descriptor = listener.as_raw_fd();
    let on_term = options.on_term;
    thread::spawn(move || on_sigterm(on_term, descriptor));
    serve(&listener, &options);
    drop(listener);
    // The listener is closed; open connections go on for a while.
    thread::sleep(Duration::from_secs(2));
}

#[derive(Clone, Copy, PartialEq)]
enum OnTerm {
    Exit,
    Ignore,
    Close,
}

#[derive(Clone)]
struct Options {
    version: String,
    address: String,
    port: u16,
    start_after: u64,
    on_term: OnTerm,
    exit: Option<i32>,
    /// In place of every answer.
    status: Option<String>,
    listens: bool,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self {
            version: "app".into(),
            address: "0.0.0.0".into(),
            port: 8080,
            start_after: 0,
            on_term: OnTerm::Exit,
            exit: None,
            status: None,
            listens: true,
        };
        let args: Vec<String> = env::args().skip(1).collect();
        for pair in args.chunks(2) {
            let [flag, value] = pair else { usage(&pair[0]) };
            match flag.as_str() {
                "--version" => options.version.clone_from(value),
                "--address" => options.address.clone_from(value),
                "--port" => options.port = value.parse().unwrap_or_else(|_| usage(flag)),
                "--start-after" => options.start_after = value.parse().unwrap_or_else(|_| usage(flag)),
                "--exit" => options.exit = value.parse().ok(),
                "--status" => options.status = Some(format!("{value} As Asked")),
                "--listen" => options.listens = value != "never",
                "--on-term" if value == "ignore" => options.on_term = OnTerm::Ignore,
                "--on-term" if value == "close" => options.on_term = OnTerm::Close,
                _ => usage(flag),
            }
        }
        options
    }
}

fn usage(flag: &str) -> ! {
    eprintln!("unknown or incomplete argument {flag}");
    exit(64)
}

unsafe extern "C" {
    fn sigemptyset(set: *mut [u64; 16]) -> i32;
    fn sigaddset(set: *mut [u64; 16], signal: i32) -> i32;
    fn pthread_sigmask(how: i32, set: *const [u64; 16], old: *mut [u64; 16]) -> i32;
    fn sigwait(set: *const [u64; 16], signal: *mut i32) -> i32;
    fn shutdown(descriptor: i32, how: i32) -> i32;
}

const SIGTERM: i32 = 15;
const SIG_BLOCK: i32 = 0;
const SHUT_RDWR: i32 = 2;

fn sigterm_set() -> [u64; 16] {
    let mut set = [0; 16];
    // SAFETY: `set` is as large as glibc's sigset_t.
    unsafe {
        sigemptyset(&mut set);
        sigaddset(&mut set, SIGTERM);
    }
    set
}

// As process 1 of a container it would never see a SIGTERM that it does not ask for.
fn block_sigterm() {
    // SAFETY: the set lives through the call; no old mask is asked for.
    unsafe { pthread_sigmask(SIG_BLOCK, &sigterm_set(), std::ptr::null_mut()) };
}

fn wait_for_sigterm() {
    let mut signal = 0;
    // SAFETY: both pointers live through the call.
    unsafe { sigwait(&sigterm_set(), &mut signal) };
    println!("SIGTERM");
}

fn on_sigterm(on_term: OnTerm, listener: i32) {
    loop {
        wait_for_sigterm();
        match on_term {
            OnTerm::Exit => exit(0),
            OnTerm::Ignore => {}
            OnTerm::Close => {
                STOPPING.store(true, Ordering::SeqCst);
                // SAFETY: the listener is open until the accept that this ends has returned.
                unsafe { shutdown(listener, SHUT_RDWR) };
            }
        }
    }
}

fn serve(listener: &TcpListener, options: &Options) {
    for connection in listener.incoming() {
        if STOPPING.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(connection), options) = (connection, options.clone()) else { continue };
        thread::spawn(move || converse(&connection, &options));
    }
}

/// Requests on one connection, one after the other; any error ends it.
fn converse(connection: &TcpStream, options: &Options) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut input = BufReader::new(connection);
    loop {
        let request = Request::read(&mut input)?;
        if request.header("upgrade").is_some() {
            return echo(&mut input, connection);
        }
        answer(connection, &request, options)?;
    }
}

struct Request {
    head: String,
    path: String,
    query: String,
    body: u64,
}

impl Request {
    fn read(input: &mut impl BufRead) -> Option<Self> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if input.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let target = head.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self { path: path.into(), query: decoded(query), head: head.clone(), body: 0 };
        request.body = match request.header("content-length") {
            Some(length) => discard(input, length.parse().ok()?)?,
            None if request.header("transfer-encoding").is_some() => discard_chunks(input)?,
            None => 0,
        };
        Some(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

fn decoded(query: &str) -> String {
    let mut bytes = query.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let pair = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
        out.push(u8::from_str_radix(&String::from_utf8_lossy(&pair), 16).unwrap_or(b'?'));
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn discard(input: &mut impl BufRead, length: u64) -> Option<u64> {
    let copied = std::io::copy(&mut input.take(length), &mut std::io::sink()).ok()?;
    (copied == length).then_some(length)
}

fn discard_chunks(input: &mut impl BufRead) -> Option<u64> {
    let mut total = 0;
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        discard(input, size + 2)?;
        if size == 0 {
            return Some(total);
        }
        total += size;
    }
}

fn answer(connection: &TcpStream, request: &Request, options: &Options) -> Option<()> {
    let query = request.query.as_str();
    if let Some(status) = &options.status {
        return respond(connection, options, status, options.version.as_bytes());
    }
    match request.path.as_str() {
        "/headers" => respond(connection, options, "200 OK", request.head.as_bytes()),
        "/env" => respond(connection, options, "200 OK", env::var(query).unwrap_or_default().as_bytes()),
        "/delay" => {
            thread::sleep(Duration::from_millis(query.parse().ok()?));
            respond(connection, options, "200 OK", options.version.as_bytes())
        }
        "/size" => respond(connection, options, "200 OK", &vec![b'x'; query.parse().ok()?]),
        "/body" => respond(connection, options, "200 OK", request.body.to_string().as_bytes()),
        "/stream" => stream(connection, query),
        "/write" => write(connection, options, query),
        "/fill" => match fs::File::create("/data/filler").and_then(|file| file.set_len(query.parse().unwrap_or(0))) {
            Ok(()) => respond(connection, options, "200 OK", b"filled"),
            Err(error) => respond(connection, options, "500 Internal Server Error", error.to_string().as_bytes()),
        },
        "/read" => respond(connection, options, "200 OK", &fs::read("/data/text").unwrap_or_default()),
        "/ask" => match ask(query) {
            Ok(text) => respond(connection, options, "200 OK", text.as_bytes()),
            Err(error) => respond(connection, options, "502 Bad Gateway", error.to_string().as_bytes()),
        },
        "/print" => {
            println!("{query}");
            respond(connection, options, "200 OK", b"printed")
        }
        "/print-bytes" => {
            std::io::stdout().write_all(b"before \xff\xfe\x80 after\n").ok()?;
            respond(connection, options, "200 OK", b"printed")
        }
        "/print-long" => {
            println!("long {}", "x".repeat(query.parse().ok()?));
            respond(connection, options, "200 OK", b"printed")
        }
        "/exit" => exit(query.parse().unwrap_or(1)),
        "/" => respond(connection, options, "200 OK", options.version.as_bytes()),
        _ => respond(connection, options, "404 Not Found", b"no such page"),
    }
}

/// The body of what `host:port` answers to `/`.
fn ask(address: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: sibling\r\n\r\n")?;
    let mut input = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn write(connection: &TcpStream, options: &Options, text: &str) -> Option<()> {
    let appended = fs::File::options().create(true).append(true).open("/data/text").and_then(|mut file| {
        writeln!(file, "{text}")?;
        file.sync_all()
    });
    match appended {
        Ok(()) => respond(connection, options, "200 OK", b"written"),
        Err(error) => respond(connection, options, "500 Internal Server Error", error.to_string().as_bytes()),
    }
}

fn respond(mut connection: &TcpStream, options: &Options, status: &str, body: &[u8]) -> Option<()> {
    let (version, length) = (&options.version, body.len());
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\nx-version: {version}\r\ncontent-length: {length}\r\n\r\n");
    connection.write_all(&[head.as_bytes(), body].concat()).ok()
}

fn stream(mut connection: &TcpStream, query: &str) -> Option<()> {
    let (count, pause) = query.split_once(',')?;
    let pause = Duration::from_millis(pause.parse().ok()?);
    connection
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .ok()?;
    for number in 1..=count.parse().ok()? {
        let number: u32 = number;
        let event = format!("data: {number}\n\n");
        connection.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).ok()?;
        thread::sleep(pause);
    }
    connection.write_all(b"0\r\n\r\n").ok()
}

fn echo(input: &mut impl Read, mut connection: &TcpStream) -> Option<()> {
    connection.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").ok()?;
    let mut buffer = [0; 16 * 1024];
    loop {
        match input.read(&mut buffer).ok()? {
            0 => return Some(()),
            count => connection.write_all(&buffer[..count]).ok()?,
        }
    }
}
