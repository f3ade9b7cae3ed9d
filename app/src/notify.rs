//! Tells the service manager where the server stands (sd_notify(3)), so that "started" means that it answers.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// It answers.
pub const READY: &str = "READY=1";
/// It was asked to end and finishes what is under way.
pub const STOPPING: &str = "STOPPING=1";

/// Sends one state. Without a service manager nothing happens; one that does not listen is worth a line and no more.
pub fn tell(socket: Option<&Path>, state: &str) {
    let Some(socket) = socket else { return };
    if let Err(error) = send(socket, state) {
        tracing::warn!(socket = %socket.display(), %error, "the service manager could not be told");
    }
}

fn send(socket: &Path, state: &str) -> io::Result<()> {
    let name = socket.as_os_str().as_bytes();
    // `@` begins a name in the abstract namespace, which no file system knows.
    let address = match name.strip_prefix(b"@") {
        Some(rest) => SocketAddr::from_abstract_name(rest)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_path_and_an_abstract_name_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        tell(Some(&path), READY);
        assert_eq!(heard(&listener), "READY=1");

        let name = path.to_string_lossy().into_owned();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        tell(Some(Path::new(&format!("@{name}"))), STOPPING);
        assert_eq!(heard(&listener), "STOPPING=1");
    }

    #[test]
    fn nobody_who_listens_is_no_failure() {
        tell(None, READY);
        tell(Some(Path::new("/nowhere/notify")), READY);
        tell(Some(Path::new("@")), READY);
    }
}
