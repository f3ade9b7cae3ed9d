//! Archives as people, and people who mean harm, make them.

use super::*;

/// A tar whose names are written as they are: the tar crate itself would refuse to make a bad one.
fn tar_of(entries: &[(&str, tar::EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, link, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn unpack(bytes: &[u8], links: Links) -> (tempfile::TempDir, Result<Unpacked>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    fs::write(&path, bytes).unwrap();
    let result = archive(&path, &dir.path().join("into/tree"), links, &Abandoned::default());
    (dir, result)
}

use tar::EntryType as E;

/// Name, type, link target, content.
type Entry<'a> = (&'a str, E, &'a str, &'a [u8]);

#[test]
fn bad_entries_are_refused_by_name_and_write_nothing_outside() {
    let cases: &[(&[Entry<'_>], &str)] = &[
        (&[("../evil", E::Regular, "", b"x")], "\"../evil\" leads out"),
        (&[("a/../../evil", E::Regular, "", b"x")], "leads out"),
        (&[("/etc/evil", E::Regular, "", b"x")], "absolute path"),
        (&[("l", E::Symlink, "/etc/passwd", b"")], "leads out of the archive, to \"/etc/passwd\""),
        (&[("l", E::Symlink, "..", b"")], "leads out"),
        (&[("d/l", E::Symlink, "../../x", b"")], "leads out"),
        (&[("d/l", E::Symlink, "x/../../..", b"")], "leads out"),
        (&[("a/b/x", E::Symlink, "..", b""), ("y", E::Symlink, "a/b/x/../..", b"")], "leads out"),
        (&[("h", E::Link, "/etc/passwd", b"")], "hard link \"h\" leads out"),
        (&[("h", E::Link, "../x", b"")], "leads out"),
        (&[("h", E::Link, "missing", b"")], "hard link \"h\""),
        (&[("dev", E::Char, "", b"")], "neither file, folder nor link"),
        (&[("pipe", E::Fifo, "", b"")], "neither file, folder nor link"),
        (&[("a", E::Regular, "", b"x"), ("a/b", E::Regular, "", b"x")], "both as a file and as a folder"),
    ];
    for (entries, expected) in cases {
        let (dir, result) = unpack(&tar_of(entries), Links::Refuse);
        let error = result.unwrap_err();
        assert!(error.message.contains(expected), "{}: not {expected}", error.message);
        assert!(!dir.path().join("into/evil").exists() && !dir.path().join("evil").exists());
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    // The link comes first, the file through it second.
    let bytes = tar_of(&[
        ("sub/keep", E::Regular, "", b"k"),
        ("link", E::Symlink, "sub", b""),
        ("link/file", E::Regular, "", b"x"),
    ]);
    let (dir, result) = unpack(&bytes, Links::Refuse);
    assert!(result.is_err());
    assert!(!dir.path().join("into/tree/sub/file").exists());
}

#[test]
fn good_archives_of_every_format_are_unpacked() {
    let tar = tar_of(&[
        ("app/", E::Directory, "", b""),
        ("app/run.sh", E::Regular, "", b"#!"),
        ("app/bin/tool", E::Symlink, "../run.sh", b""),
        ("app/again", E::Link, "app/run.sh", b""),
    ]);
    let gz = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    };
    let zst = zstd::encode_all(&*tar, 3).unwrap();
    for bytes in [&tar, &gz, &zst] {
        let (dir, result) = unpack(bytes, Links::Refuse);
        assert_eq!(result.unwrap().entries, 4);
        let root = only_folder(&dir.path().join("into/tree")).unwrap();
        assert!(root.ends_with("app"));
        assert_eq!(fs::read(root.join("bin/tool")).unwrap(), b"#!");
        assert_eq!(fs::read(root.join("again")).unwrap(), b"#!");
        assert_eq!(fs::metadata(root.join("run.sh")).unwrap().permissions().mode() & 0o777, EXECUTABLE);
    }
}

#[test]
fn zips_are_unpacked_and_checked() {
    use zip::write::SimpleFileOptions;
    let make = |name: &str| {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(b"hello").unwrap();
        writer.finish().unwrap().into_inner()
    };
    let (dir, result) = unpack(&make("app/index.html"), Links::Refuse);
    result.unwrap();
    assert_eq!(fs::read(dir.path().join("into/tree/app/index.html")).unwrap(), b"hello");
    for name in ["../evil", "a/../../evil", "..\\evil"] {
        assert!(unpack(&make(name), Links::Refuse).1.unwrap_err().message.contains("leads out"));
    }
}

#[test]
fn bombs_and_nonsense_are_refused() {
    let mut header = tar::Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_size(300 << 20);
    header.set_cksum();
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..300).for_each(|_| encoder.write_all(&zeros).unwrap());
    let bomb = encoder.finish().unwrap();
    assert!(unpack(&bomb, Links::Refuse).1.unwrap_err().message.contains("times its size"));
    for bytes in [&b""[..], b"hello", b"PK\x03\x04garbage", b"\x1f\x8bgarbage"] {
        assert!(unpack(bytes, Links::Refuse).1.is_err());
    }
}

#[test]
fn links_of_images_that_lead_out_are_left_out() {
    let bytes =
        tar_of(&[("d/l", E::Symlink, "/etc/passwd", b""), ("d/f", E::Regular, "", b"x"), ("d/n", E::Char, "", b"")]);
    let (dir, result) = unpack(&bytes, Links::Skip);
    result.unwrap();
    assert!(!dir.path().join("into/tree/d/l").is_symlink());
    assert!(dir.path().join("into/tree/d/f").exists());
}
