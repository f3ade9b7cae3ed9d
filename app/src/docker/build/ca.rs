//! Extra CA certificates inside a build, without a change to the user's Dockerfile.
//!
//! The text that is sent differs from the file in two ways. Each `RUN` gets a secret mount with the certificates at
//! a path below `/dev`, which is a file system of its own, so nothing of it reaches a layer. Each stage gets `ARG`s
//! that point the common programs to that path; unlike `ENV`, they end with the build, and an `ENV` of the Dockerfile
//! or of its base image still wins.

use std::fmt::Write as _;

use super::dockerfile;
use crate::docker::trust::VARIABLES;

/// Id of the secret in the build session.
pub(super) const SECRET_ID: &str = "boathouse-ca";
const PATH: &str = "/dev/boathouse-ca.pem";
/// What is put between `RUN` and the rest; left out again where a step is named to people.
pub(super) const MOUNT: &str = " --mount=type=secret,id=boathouse-ca,target=/dev/boathouse-ca.pem,mode=0444";
/// The Dockerfile that is sent. One that is not UTF-8 is sent as it is: BuildKit says what it thinks of it.
pub(super) fn trust_in_every_run(dockerfile: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(dockerfile) else { return dockerfile.to_vec() };
    let mut out = String::with_capacity(text.len() * 2);
    let mut copied = 0;
    for instruction in dockerfile::instructions(text) {
        match instruction.keyword.as_str() {
            "RUN" => {
                out.push_str(&text[copied..instruction.keyword_at.end]);
                out.push_str(MOUNT);
                copied = instruction.keyword_at.end;
            }
            "FROM" => {
                out.push_str(&text[copied..instruction.span.end]);
                if !out.ends_with('\n') {
                    out.push('\n');
                }
                for variable in VARIABLES {
                    writeln!(out, "ARG {variable}={PATH}").expect("writing to a string cannot fail");
                }
                copied = instruction.span.end;
            }
            _ => {}
        }
    }
    out.push_str(&text[copied..]);
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        String::from_utf8(trust_in_every_run(text.as_bytes())).unwrap()
    }

    #[test]
    fn every_run_gets_the_mount_and_every_stage_the_variables() {
        let out = rewritten(
            "# syntax=docker/dockerfile:1\nARG V=1\nFROM a AS b\nRUN --mount=type=cache,target=/c x \\\n && y\nFROM scratch\nCOPY --from=b /x /x\nRUN [\"z\"]",
        );
        assert_eq!(out.matches("--mount=type=secret,id=boathouse-ca,").count(), 2);
        assert!(out.contains("RUN --mount=type=secret,id=boathouse-ca,target=/dev/boathouse-ca.pem,mode=0444 --mount=type=cache,target=/c x \\\n && y\n"));
        assert!(out.contains(",mode=0444 [\"z\"]"));
        assert_eq!(out.matches("ARG NODE_EXTRA_CA_CERTS=/dev/boathouse-ca.pem\n").count(), 2);
        assert!(out.starts_with("# syntax=docker/dockerfile:1\nARG V=1\nFROM a AS b\nARG NODE_EXTRA"));
        assert!(!out.contains("ENV"));
    }

    #[test]
    fn the_mount_names_the_secret_and_the_path() {
        assert!(MOUNT.contains(&format!("id={SECRET_ID},")) && MOUNT.contains(&format!("target={PATH},")));
    }

    #[test]
    fn nothing_else_changes() {
        let text = "CMD [\"RUN\"]\nONBUILD RUN x\n# RUN y\nCOPY <<E /f\nRUN z\nFROM q\nE\n";
        assert_eq!(rewritten(text), text);
        assert_eq!(trust_in_every_run(b"RUN \xff"), b"RUN \xff");
    }

    #[test]
    fn a_last_line_without_its_end_is_closed() {
        assert!(rewritten("FROM a").starts_with("FROM a\nARG "));
    }
}
