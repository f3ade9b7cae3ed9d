//! Who listens on a TCP port of this host, read from `/proc` (proc(5)): an error about a taken port names them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The program that listens on a port, as `postgres (process 1234)`; none where the port is free or it cannot be found out.
pub fn listener(port: u16) -> Option<String> {
    let inodes: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    // `/proc/self` is one of them under another name.
    let is_process = |name: &std::ffi::OsStr| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    let mut processes = fs::read_dir("/proc").ok()?.flatten().filter(|entry| is_process(&entry.file_name()));
    let named = processes.find(|entry| holds_any(&entry.path(), &inodes));
    let named = named.and_then(|entry| {
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(format!("{} (process {})", name.trim(), entry.file_name().to_string_lossy()))
    });
    Some(named.unwrap_or_else(|| "a program of another user".to_owned()))
}

/// The inodes of the sockets of a table that listen on the port.
fn listening(table: &str, port: u16) -> Vec<String> {
    let is_it = |line: &&str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1).and_then(|local| local.rsplit_once(':')).map(|(_, port)| port);
        local.and_then(|text| u16::from_str_radix(text, 16).ok()) == Some(port) && fields.nth(1) == Some(LISTEN)
    };
    let inode = |line: &str| line.split_whitespace().nth(9).map(str::to_owned);
    table.lines().skip(1).filter(is_it).filter_map(inode).collect()
}

fn holds_any(process: &Path, inodes: &BTreeSet<String>) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    let is_socket = |link: &str| {
        link.strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|inode| inodes.contains(inode))
    };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|link| is_socket(&link.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_named_and_a_free_port_has_none() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let named = listener(port).unwrap();
        assert!(named.contains(&format!("(process {})", std::process::id())), "{named}");
        drop(socket);
        assert_eq!(listener(port), None);
    }
}
