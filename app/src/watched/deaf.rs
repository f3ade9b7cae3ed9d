//! Folders of which the kernel does not tell everything: it tells of what this host changes, and of nothing that others change on a disk
//! that they share with it.

use std::path::Path;

use crate::db;

/// File systems that others change, besides those on which no database is kept (statfs(2) f_type), by name.
const OTHERS: [(u32, &str); 6] = [
    (0x6573_5546, "FUSE"),
    (0x786f_4256, "a folder of VirtualBox"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x7461_636f, "OCFS2"),
    (0x0116_1970, "GFS2"),
];

/// What is wrong with following a folder that lies there, and what to do; without the last full stop.
pub fn problem(folder: &Path) -> Option<String> {
    words(folder, rustix::fs::statfs(folder).ok()?.f_type as u32)
}

fn words(folder: &Path, kind: u32) -> Option<String> {
    let of_others = || OTHERS.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name);
    let kind = db::network_file_system(kind).or_else(of_others)?;
    Some(format!(
        "{} lies on a file system that others can change, too ({kind}): what is changed there by this host is noticed, what others change is not. Keep the code on a disk of this host, or run `boathouse dev` where it is changed",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_others_change_is_told_with_its_kind_and_one_of_this_host_is_not() {
        let folder = Path::new("/srv/shop");
        for (kind, name) in
            [(0x6969, "NFS"), (0x0102_1997, "9p"), (0xfe53_4d42, "SMB2"), (0x00c3_6400, "Ceph"), (0x6573_5546, "FUSE")]
        {
            let said = words(folder, kind).unwrap_or_default();
            assert!(said.contains("/srv/shop") && said.contains(&format!("({name})")), "{name}: {said}");
            assert!(said.contains("boathouse dev") && !said.ends_with('.'), "{said}");
        }
        for (kind, name) in
            [(0xef53, "ext4"), (0x9123_683e, "btrfs"), (0x0102_1994, "tmpfs"), (0x794c_7630, "overlayfs")]
        {
            assert_eq!(words(folder, kind), None, "{name}");
        }
        assert_eq!(problem(Path::new("/nowhere/at/all")), None);
    }
}
