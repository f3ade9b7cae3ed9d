//! The golden cases of watch paths: a real repository for each, and what git finds changed in it.

use std::path::PathBuf;

use super::*;
use crate::stack::watch::{Watched, of_globs};

/// A bare repository that is written by `fast-import`.
struct Repo {
    folder: tempfile::TempDir,
}

impl Repo {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::new(folder.path()).args(&["init", "--bare", "--quiet", "--initial-branch=main"]);
        git.run("making it").await.unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A commit on a branch: lines of fast-import such as `D web/a` and files to write; returns its name.
    async fn commit(&self, branch: &str, from: &[&str], orders: &[&str], files: &[(&str, &str)]) -> String {
        let mut stream = format!("commit refs/heads/{branch}\ncommitter A <a@example.com> 1 +0000\ndata 1\nx\n");
        for (nth, parent) in from.iter().enumerate() {
            stream.push_str(&format!("{} {parent}\n", if nth == 0 { "from" } else { "merge" }));
        }
        for order in orders {
            stream.push_str(&format!("{order}\n"));
        }
        for (path, text) in files {
            stream.push_str(&format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len()));
        }
        stream.push_str("done\n");
        let git = Git::new(&self.path()).args(&["fast-import", "--quiet", "--done", "--force"]);
        git.run_with(stream.into_bytes(), "writing").await.unwrap();
        of_branch(&self.path(), branch).await.unwrap()
    }

    /// What the watch path `web/**` finds between two commits.
    async fn watched(&self, old: &str, new: &str) -> Option<String> {
        let changed = between(&self.path(), old, new).await.unwrap();
        let Watched::Paths(watch) = of_globs(&["web/**".parse().unwrap()], "") else { panic!("no paths") };
        watch.first(&changed.paths).map(|(path, _)| path.to_owned())
    }
}

#[tokio::test]
async fn added_modified_removed_and_renamed_into_and_out_of_the_folder() {
    let repo = Repo::new().await;
    let files = [("web/a", "1"), ("web/b", "2"), ("docs/c", "3"), ("docs/d", "4")];
    let first = repo.commit("main", &[], &[], &files).await;
    for (name, orders, files, expected) in [
        ("added", vec![], vec![("web/new", "5")], Some("web/new")),
        ("modified", vec![], vec![("web/a", "other")], Some("web/a")),
        ("removed", vec!["D web/b"], vec![], Some("web/b")),
        ("renamed within", vec!["R web/a web/z"], vec![], Some("web/a")),
        ("renamed into", vec!["R docs/c web/c"], vec![], Some("web/c")),
        ("renamed out of", vec!["R web/a docs/a"], vec![], Some("web/a")),
        ("made executable", vec!["D web/a", "M 100755 inline web/a\ndata 1\n1"], vec![], Some("web/a")),
        ("beside it", vec!["D docs/d"], vec![("docs/c", "9"), ("webs/a", "1"), ("web.txt", "1")], None),
        ("nothing", vec![], vec![], None),
    ] {
        let next = repo.commit("try", &[&first], &orders, &files).await;
        assert_eq!(repo.watched(&first, &next).await.as_deref(), expected, "{name}");
    }
    let odd = repo.commit("odd", &[&first], &[], &[("\"web/l\\303\\244nge \\n\\\"x\"", "1")]).await;
    assert_eq!(repo.watched(&first, &odd).await.as_deref(), Some("web/l\u{e4}nge \n\"x"), "no quoting of odd names");
}

#[tokio::test]
async fn a_force_push_a_merge_and_more_commits_than_a_payload_lists() {
    let repo = Repo::new().await;
    let first = repo.commit("main", &[], &[], &[("web/a", "1"), ("docs/a", "1")]).await;
    let dropped = repo.commit("main", &[&first], &[], &[("web/a", "2")]).await;
    // The branch is rewritten: the new commit does not descend from the old one, which stays known.
    let rewritten = repo.commit("rewritten", &[&first], &[], &[("docs/a", "2")]).await;
    assert_eq!(repo.watched(&dropped, &rewritten).await.as_deref(), Some("web/a"), "it takes a change back");
    assert_eq!(repo.watched(&first, &rewritten).await, None);
    // A branch without any history in common.
    let orphan = repo.commit("orphan", &[], &[], &[("docs/a", "1"), ("web/a", "1")]).await;
    assert_eq!(repo.watched(&first, &orphan).await, None, "the same files, so the same");

    // The interesting file changes in the first of 30 commits; later ones do not touch it.
    let mut tip = repo.commit("long", &[&first], &[], &[("web/early", "1")]).await;
    for number in 0..30 {
        tip = repo.commit("long", &[&tip], &[], &[("docs/a", &number.to_string())]).await;
    }
    assert_eq!(repo.watched(&first, &tip).await.as_deref(), Some("web/early"));

    // A merge brings what the other side changed.
    let side = repo.commit("side", &[&first], &[], &[("web/side", "1")]).await;
    let merged = repo.commit("merged", &[&rewritten, &side], &[], &[("web/side", "1")]).await;
    assert_eq!(repo.watched(&rewritten, &merged).await.as_deref(), Some("web/side"));
    assert_eq!(repo.watched(&side, &merged).await, None, "seen from the other side only docs changed");
}

#[tokio::test]
async fn a_submodule_that_moves_is_a_change_and_unknown_commits_are_told() {
    let repo = Repo::new().await;
    let link = |sha: &str| format!("M 160000 {} web/module", sha.repeat(40));
    let first = repo.commit("main", &[], &[&link("a")], &[("docs/a", "1")]).await;
    let moved = repo.commit("main", &[&first], &[&link("b")], &[]).await;
    assert_eq!(repo.watched(&first, &moved).await.as_deref(), Some("web/module"));
    assert!(has(&repo.path(), &first).await && !has(&repo.path(), &"c".repeat(40)).await);
    assert!(between(&repo.path(), &"c".repeat(40), &first).await.is_err());
    assert_eq!(file(&repo.path(), &first, "docs/a").await.as_deref(), Some("1"));
    assert_eq!(file(&repo.path(), &first, "docs").await, None);
}
