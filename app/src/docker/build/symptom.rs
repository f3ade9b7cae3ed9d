//! What the output of a failing step says, for those who read one sentence: the telling line, and the remedy where the trouble is a known one.

/// Characters of a line or of an instruction that a sentence can bear.
const LONG: usize = 160;

/// Words of well-known tools, in lower case, and what to do about them.
const KNOWN: [(&[&str], &str); 6] = [
    (
        &[
            "self_signed_cert_in_chain",
            "unable_to_get_issuer_cert",
            "unable_to_verify_leaf_signature",
            "certificate verify failed",
            "self-signed certificate",
            "self signed certificate",
            "certificate signed by unknown authority",
            "unable to get local issuer certificate",
            "unknownissuer",
        ],
        "Something between this machine and the internet signs with a CA of its own. Start the server with --ca-bundle FILE, its certificate in PEM: builds, git and outgoing calls then trust it.",
    ),
    (
        &[
            "eai_again",
            "enotfound",
            "temporary failure in name resolution",
            "temporary failure resolving",
            "could not resolve host",
            "name or service not known",
            "no such host",
        ],
        "Builds cannot find that host: check this machine's DNS; where the internet is reached through a proxy, start the server with --proxy URL.",
    ),
    (
        &[
            "can only install with an existing package-lock",
            "can only install packages when your package.json and package-lock",
            "err_pnpm_outdated_lockfile",
            "lockfile needs to be updated",
        ],
        "The lock file is missing or older than the list of packages: install them on your machine, commit the lock file, and deploy again.",
    ),
    (
        &["javascript heap out of memory"],
        "Node ran out of its own limit: set ENV NODE_OPTIONS=--max-old-space-size=MEGABYTES in the Dockerfile before that step.",
    ),
    (
        &["exec format error"],
        "A program in the image is made for another processor: choose a base image and downloads for this machine's architecture.",
    ),
    (
        &["failed to compute cache key", "failed to calculate checksum of ref"],
        "COPY takes files from the component's folder only, without what .dockerignore leaves out: check the path and both.",
    ),
];

/// What to do, where one of these lines says what many have seen before.
pub(super) fn remedy<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    let text = lines.into_iter().collect::<Vec<_>>().join("\n").to_ascii_lowercase();
    let is_known = |(words, _): &&(&[&str], &'static str)| words.iter().any(|word| text.contains(word));
    KNOWN.iter().find(is_known).map(|(_, remedy)| *remedy)
}

/// The line that tells most: the first that speaks of an error, else the last.
pub(super) fn telling<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lines: Vec<&str> = lines.into_iter().map(str::trim).filter(|line| !line.is_empty()).collect();
    let speaks = |line: &&&str| line.to_ascii_lowercase().contains("error");
    lines.iter().find(speaks).or(lines.last()).map(|line| short(line))
}

/// Its first line, cut where it is long.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_trouble_comes_with_its_remedy() {
        let npm = ["npm error code SELF_SIGNED_CERT_IN_CHAIN", "npm error request to https://registry.example failed"];
        assert!(remedy(npm).unwrap().contains("--ca-bundle"));
        assert!(remedy(["curl: (6) Could not resolve host: example.com"]).unwrap().contains("--proxy"));
        assert!(
            remedy(["The `npm ci` command can only install with an existing package-lock.json"])
                .unwrap()
                .contains("lock file")
        );
        assert_eq!(remedy(["error: expected `;`"]), None);
    }

    #[test]
    fn the_telling_line_is_the_first_error_or_the_last_word() {
        assert_eq!(
            telling(["Compiling", "error[E0425]: no such value", "error: aborting", ""]).unwrap(),
            "error[E0425]: no such value"
        );
        assert_eq!(telling(["./main.go:5:2: undefined: foo", ""]).unwrap(), "./main.go:5:2: undefined: foo");
        assert_eq!(telling([""; 2]), None);
    }

    #[test]
    fn long_instructions_are_cut_between_characters() {
        assert_eq!(short("RUN a;    b\nRUN c"), "RUN a; b");
        let cut = short(&"é".repeat(LONG + 1));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (LONG + 1, true));
    }
}
