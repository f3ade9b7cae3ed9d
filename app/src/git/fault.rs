//! What git says when it fails → what happened and what to do.

use crate::error::{Error, conflict, invalid, not_found, unavailable};

/// The end of git's own words in an error.
const MAX_WORDS: usize = 600;

/// git could not be started.
pub fn not_started(error: std::io::Error, what: &str) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return unavailable(format!("{what} is not possible: git is not installed on this server"))
            .hint("Install git (apt-get install git), or deploy an upload instead.");
    }
    unavailable(format!("{what} is not possible: git could not be started: {error}")).caused_by(error)
}

/// From git's last words.
pub fn classify(what: &str, stderr: &str) -> Error {
    let text = stderr.to_ascii_lowercase();
    let says = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let (error, hint) = if says(&["remote host identification has changed", "host key verification failed"]) {
        (
            unavailable("the remote's ssh host key has changed, so it was not trusted"),
            "If the change is intended, remove the project's known_hosts file below `git/` in the data directory.",
        )
    } else if says(&["stale info", "fetch first", "non-fast-forward", "already exists"]) {
        (
            conflict("the remote has that branch already"),
            "Name an empty repository or another branch; code that is there is deployed by a project of that source.",
        )
    } else if says(&["remote rejected", "pre-receive hook declined", "protected branch"]) {
        (conflict("the remote does not take the push"), "Read its words, and allow the branch there, then try again.")
    } else if says(&["write access", "read only", "read-only", "error: 403", "permission to "]) {
        (
            invalid("the remote does not let this login or key write"),
            "Give the token, or the project's deploy key, the right to write to the repository, then try again.",
        )
    } else if says(&["permission denied (publickey", "permission denied (keyboard", "too many authentication failures"])
    {
        (
            invalid("the remote refuses the project's ssh key"),
            "Make a deploy key for the project and add its public half to the repository, then deploy again.",
        )
    } else if says(&[
        "could not read username",
        "could not read password",
        "terminal prompts disabled",
        "authentication failed",
        "http basic: access denied",
    ]) {
        (
            invalid("the repository does not exist or asks for a password"),
            "Check the address. For a private repository use its ssh address with the project's deploy key, or put a token into the https address.",
        )
    } else if says(&[
        "could not resolve host",
        "could not resolve hostname",
        "name or service not known",
        "could not resolve proxy",
    ]) {
        (
            unavailable("the host of the repository was not found"),
            "Check the address, and this server's DNS and proxy settings.",
        )
    } else if says(&["dubious ownership"]) {
        (
            invalid("the repository belongs to another user of this server"),
            "Give it to the user that runs Boathouse, or use its ssh address.",
        )
    } else if says(&[
        "repository not found",
        "does not exist",
        "not found",
        "does not appear to be a git repository",
        "no such file or directory",
        "error: 404",
    ]) {
        (
            not_found("the repository does not exist, or it may not be read"),
            "Check the address; for a private repository use its ssh address with the project's deploy key.",
        )
    } else if says(&["ssl certificate", "certificate verify", "server certificate", "tls"]) {
        (
            unavailable("the remote's certificate is not trusted"),
            "Start Boathouse with --ca-bundle naming the certificates of your own authority.",
        )
    } else if says(&[
        "connection refused",
        "connection timed out",
        "failed to connect",
        "couldn't connect",
        "network is unreachable",
        "no route to host",
        "could not connect",
        "connection reset",
        "operation timed out",
        "kex_exchange",
        "low speed",
    ]) {
        (
            unavailable("the remote cannot be reached"),
            "Check the address, the network and the proxy setting, then deploy again.",
        )
    } else if says(&["no space left on device"]) {
        (unavailable("the disk is full"), "Free space on the disk that holds the data directory, then deploy again.")
    } else if says(&["transport '", "protocol '"]) {
        (
            invalid("the repository's address uses a protocol that is not allowed"),
            "Use https, ssh, or an absolute path on this server.",
        )
    } else if says(&["ssh: not found", "cannot run ssh", "ssh: no such file"]) {
        (
            unavailable("ssh is not installed on this server"),
            "Install it (apt-get install openssh-client), or use the https address.",
        )
    } else {
        (unavailable("git failed"), "Read git's words, then deploy again.")
    };
    let words = last_words(stderr);
    let mut message = format!("{what}: {}", error.message);
    if !words.is_empty() {
        message.push_str(&format!("; git says: {words}"));
    }
    Error::new(error.kind, message).hint(hint)
}

/// The lines that tell, without a password that an address may hold.
fn last_words(stderr: &str) -> String {
    let telling = stderr.lines().map(str::trim).filter(|line| {
        !line.is_empty()
            && !line.starts_with("Cloning")
            && !line.starts_with("hint:")
            && !line.starts_with("Warning: Permanently added")
    });
    let text = telling.map(without_password).collect::<Vec<_>>().join(" / ");
    let start = text.char_indices().rev().nth(MAX_WORDS).map_or(0, |(at, _)| at);
    text[start..].to_owned()
}

/// `https://user:token@host/…` → `https://***@host/…`, everywhere in the text.
pub fn without_password(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || c == '\'').unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((login, host))
                if login.contains(':') || before.ends_with("http://") || before.ends_with("https://") =>
            {
                shown.push_str("***@");
                shown.push_str(host);
            }
            _ => shown.push_str(authority),
        }
        rest = tail;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use boathouse_types::ErrorKind;

    use super::*;

    #[test]
    fn words_of_git_are_understood() {
        let cases = [
            (
                "fatal: could not read Username for 'https://github.com': terminal prompts disabled",
                ErrorKind::Invalid,
                "asks for a password",
            ),
            ("fatal: '/srv/x.git' does not appear to be a git repository", ErrorKind::NotFound, "does not exist"),
            (
                "remote: Repository not found.\nfatal: repository 'https://h/x/' not found",
                ErrorKind::NotFound,
                "does not exist",
            ),
            (
                "fatal: unable to access 'https://nope.invalid/': Could not resolve host: nope.invalid",
                ErrorKind::Unavailable,
                "not found",
            ),
            ("git@h: Permission denied (publickey).", ErrorKind::Invalid, "ssh key"),
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", ErrorKind::Unavailable, "host key"),
            (
                "fatal: unable to access: SSL certificate problem: self-signed certificate",
                ErrorKind::Unavailable,
                "certificate",
            ),
            ("fatal: unable to access: Failed to connect to h port 443", ErrorKind::Unavailable, "reached"),
            ("error: write: No space left on device", ErrorKind::Unavailable, "disk is full"),
            ("fatal: transport 'ext' not allowed", ErrorKind::Invalid, "protocol"),
            (
                " ! [rejected] main -> main (stale info)\nerror: failed to push some refs",
                ErrorKind::Conflict,
                "has that branch already",
            ),
            ("remote: Write access to repository not granted.\nfatal: error: 403", ErrorKind::Invalid, "write"),
            ("something else", ErrorKind::Unavailable, "something else"),
        ];
        for (stderr, kind, part) in cases {
            let error = classify("fetching", stderr);
            assert_eq!((error.kind, error.message.contains(part)), (kind, true), "{stderr}: {error}");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn passwords_in_addresses_are_hidden() {
        for (text, shown) in [
            ("fatal: 'https://me:tok3n@h.test/x'", "fatal: 'https://***@h.test/x'"),
            ("https://tok3n@h.test/x and ssh://git@h/x", "https://***@h.test/x and ssh://git@h/x"),
            ("no address", "no address"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
