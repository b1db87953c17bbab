//! File systems on which SQLite's promises do not hold.
//!
//! Its log of changes needs memory that all processes share and locks that all of them see, and its durability a
//! sync that reaches the disk. File systems of a network, of the host of a virtual machine, and of a program keep
//! some of that or nothing, and what they do not keep shows as lost tasks or a damaged file.

use std::path::Path;

/// What `statfs` calls them, from the kernel's `magic.h` and the table of coreutils' `stat`. Ext4, XFS, btrfs, ZFS, F2FS,
/// bcachefs, overlayfs, tmpfs and eCryptfs are not here: SQLite works on them.
const UNFIT: [(u32, &str); 24] = [
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x6573_5546, "FUSE or virtiofs"),
    (0x0102_1997, "9p"),
    (0x786F_4256, "a shared folder of VirtualBox"),
    (0xBACB_ACBC, "a shared folder of VMware"),
    (0x7C7C_6673, "a shared folder of Parallels"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xAAD7_AAEA, "PanFS"),
    (0x2003_0528, "OrangeFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x6163_6673, "ACFS"),
    (0xBEEF_DEAD, "StorNext"),
    (0x013A_2D00, "IBRIX"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
];

/// Why a database cannot lie there, with the way out; `None` if it can. What does not exist yet lies where its
/// directory does.
pub(super) fn unfit(path: &Path) -> Option<String> {
    let place = path.ancestors().find(|place| place.exists())?;
    let kind = rustix::fs::statfs(place).ok()?.f_type;
    named(u32::try_from(kind & 0xFFFF_FFFF).ok()?).map(|name| {
        format!(
            "it is on {name}, where SQLite loses data: give a data directory on a local disk, or a `database.url` of PostgreSQL"
        )
    })
}

/// The name of a file system on which SQLite does not work.
fn named(kind: u32) -> Option<&'static str> {
    UNFIT.iter().find(|(unfit, _)| *unfit == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::{named, unfit};
    use std::path::Path;

    #[test]
    fn file_systems_of_a_network_a_host_or_a_program_are_unfit() {
        let kinds = [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400];
        let names = kinds.map(|kind| named(kind).expect("it is in the table"));
        assert_eq!(names, ["NFS", "CIFS", "SMB", "FUSE or virtiofs", "9p", "Ceph"]);
    }

    #[test]
    fn file_systems_of_this_machine_are_fit() {
        // Ext4, XFS, btrfs, ZFS, F2FS, bcachefs, overlayfs, tmpfs, ramfs, eCryptfs.
        let kinds = [
            0xEF53,
            0x5846_5342,
            0x9123_683E,
            0x2FC1_2FC1,
            0xF2F5_2010,
            0xCA45_1A4E,
            0x794C_7630,
            0x0102_1994,
            0x8584_58F6,
            0xF15F,
        ];
        assert_eq!(kinds.map(named), [None; 10]);
    }

    #[test]
    fn what_is_not_there_yet_lies_where_its_directory_does() {
        assert_eq!(unfit(Path::new("/proc/self/nowhere/tasks.db")), None);
    }
}
