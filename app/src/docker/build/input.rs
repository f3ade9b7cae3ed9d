//! What an image is built from, as one digest. The same input gives the same image, as far as a Dockerfile promises that: like the layer
//! cache, it knows nothing of what a `RUN` fetches, nor of the contents of secrets.

use std::collections::BTreeMap;

use aws_lc_rs::digest;

use super::context;
use super::dockerfile::instructions;
use super::request::BuildRequest;
use crate::docker::{DockerError, Result};

impl BuildRequest {
    /// The digest of the folder without what is ignored, the Dockerfile, target, arguments, names of secrets, and `bases`: what the images
    /// that the Dockerfile names are at the engine.
    pub async fn input(&self, bases: &BTreeMap<String, String>) -> Result<String> {
        let text = self.read_dockerfile().await?;
        let (folder, path, ignore) = (self.context.clone(), self.dockerfile.clone(), self.read_ignorefile().await?);
        let walked = tokio::task::spawn_blocking(move || context::digest(folder, ignore, path, &text)).await;
        let walked = walked.map_err(std::io::Error::other).and_then(|sum| sum);
        let context = walked.map_err(|error| DockerError::from_io(self.what(), &error))?;
        let secrets: Vec<_> = self.secrets.keys().collect();
        // Debug quotes and escapes, so that no two inputs look alike.
        let all = format!("{context} {:?} {:?} {:?} {secrets:?} {bases:?}", self.dockerfile, self.target, self.args);
        let sum = digest::digest(&digest::SHA256, all.as_bytes());
        Ok(hex::encode(sum))
    }

    /// The images that the Dockerfile names, as far as its text and the arguments tell; among them may be names of its own stages.
    pub async fn base_images(&self) -> Result<Vec<String>> {
        let text = self.read_dockerfile().await?;
        Ok(named_images(&String::from_utf8_lossy(&text), &self.args))
    }

    /// An `ADD` fetches something from elsewhere: whether that has changed, only the build finds out.
    pub async fn adds_from_elsewhere(&self) -> Result<bool> {
        let text = self.read_dockerfile().await?;
        Ok(adds_from_elsewhere(&String::from_utf8_lossy(&text)))
    }
}

/// An address, a git remote, or an argument that may be one.
fn adds_from_elsewhere(text: &str) -> bool {
    let is_elsewhere = |word: &str| word.contains("://") || word.contains("git@") || word.contains('$');
    let mut adds = instructions(text).into_iter().filter(|instruction| instruction.keyword == "ADD");
    adds.any(|add| text[add.span].split_whitespace().any(is_elsewhere))
}

fn named_images(text: &str, given: &BTreeMap<String, String>) -> Vec<String> {
    let (mut arguments, mut found, mut is_head) = (BTreeMap::new(), Vec::new(), true);
    for instruction in instructions(text) {
        let mut words = text[instruction.keyword_at.end..instruction.span.end].split_whitespace();
        match instruction.keyword.as_str() {
            // Only those before the first stage reach a FROM.
            "ARG" if is_head => {
                for (name, default) in words.filter_map(|word| word.split_once('=')) {
                    let value = given.get(name).map_or_else(|| default.trim_matches('"'), String::as_str);
                    arguments.insert(name.to_owned(), value.to_owned());
                }
            }
            "FROM" => {
                is_head = false;
                found.extend(words.find(|word| !word.starts_with("--")).map(|word| filled(word, &arguments)));
            }
            "COPY" | "RUN" => {
                // `--from=IMAGE`, `--mount=type=bind,from=IMAGE`
                let flags = words.take_while(|word| word.starts_with("--")).flat_map(|word| word.split(','));
                let images = flags.filter_map(|flag| flag.trim_start_matches("--").strip_prefix("from="));
                found.extend(images.map(str::to_owned));
            }
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

/// `$NAME`, `${NAME}` and `${NAME:-DEFAULT}` replaced; what is not known stays, and is no image's name.
fn filled(word: &str, arguments: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::new(), word);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (reference, left) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(parts) => parts,
            None => after.split_at(after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len())),
        };
        let (name, default) =
            reference.split_once(":-").map_or((reference, None), |(name, default)| (name, Some(default)));
        match arguments.get(name).map(String::as_str).filter(|value| !value.is_empty()).or(default) {
            Some(value) => out.push_str(value),
            None => out.extend(["$", name]),
        }
        rest = left;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_with_their_arguments_filled_in() {
        let given = BTreeMap::from([("TAG".to_owned(), "3".to_owned())]);
        let text = "ARG NODE=22 TAG=1\nARG EMPTY\nFROM --platform=linux/amd64 node:${NODE}-slim AS build\nARG NODE=9\nRUN a --from=no\n\
                    COPY --chown=1 --from=nginx:$TAG /a /b\nRUN --mount=type=bind,from=tools:1,target=/t x\nfrom base:${TAG}.$NODE\n\
                    FROM ${EMPTY:-alpine}\nFROM $UNKNOWN\nFROM build\n";
        let expected = ["$UNKNOWN", "alpine", "base:3.22", "build", "nginx:$TAG", "node:22-slim", "tools:1"];
        assert_eq!(named_images(text, &given), expected);
    }

    #[test]
    fn what_an_add_fetches_is_not_known_before_the_build() {
        for (text, is_elsewhere) in [
            ("FROM a\nADD https://example.com/x.tar /", true),
            ("FROM a\nADD --link \\\n git@example.com:a/b.git /src", true),
            ("FROM a\nADD ${FROM_WHERE} /x", true),
            ("FROM a\nADD x.tar /\nRUN curl https://example.com\n", false),
        ] {
            assert_eq!(adds_from_elsewhere(text), is_elsewhere, "{text}");
        }
    }

    #[tokio::test]
    async fn whatever_a_build_can_see_changes_its_input() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM a").unwrap();
        let plain =
            BuildRequest { context: folder.path().to_owned(), dockerfile: "Dockerfile".into(), ..Default::default() };
        let none = BTreeMap::new();
        let first = plain.input(&none).await.unwrap();
        let same = BuildRequest { tag: "another:1".into(), secrets: BTreeMap::new(), ..plain.clone() };
        assert_eq!(same.input(&none).await.unwrap(), first);
        let others = [
            BuildRequest { target: Some("x".into()), ..plain.clone() },
            BuildRequest { args: BTreeMap::from([("A".into(), "1".into())]), ..plain.clone() },
            BuildRequest { secrets: BTreeMap::from([("A".into(), Vec::new())]), ..plain.clone() },
        ];
        for other in others {
            assert_ne!(other.input(&none).await.unwrap(), first, "{other:?}");
        }
        let newer = BTreeMap::from([("a".to_owned(), "sha256:2".to_owned())]);
        assert_ne!(plain.input(&newer).await.unwrap(), first);
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_ne!(plain.input(&none).await.unwrap(), first);
    }
}
