//! How much of threads, CPUs and locked memory the process may have.
//!
//! Everything here is a hint read at start: limits change at run time, and the call that fails with
//! `EAGAIN` has the last word. Therefore nothing reports an error; a limit that cannot be read is
//! no limit.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::cgroup::Cgroups;

/// How many threads the user of this process may have altogether (RLIMIT_NPROC), `None` if
/// unlimited. The kernel does not apply it to CAP_SYS_RESOURCE, CAP_SYS_ADMIN and to uid 0.
pub fn nproc() -> Option<u64> {
    getrlimit(Resource::Nproc).current
}

/// The lowest nice value that a thread without CAP_SYS_NICE may give itself (RLIMIT_NICE): 20 where
/// it may lower nothing.
pub fn lowest_nice() -> i32 {
    // The limit is 20 minus the value, 1 to 40; 0 where it says nothing.
    let limit = getrlimit(Resource::Nice).current.unwrap_or(40);
    20 - limit.min(40) as i32
}

/// The smallest `pids.max` of the process's cgroup and those above it: how many threads all
/// processes of that group may have together. `None` if there is none.
pub fn cgroup_pids_max() -> Option<u64> {
    pids_max_in(Path::new("/"))
}

/// The smallest CPU quota of the process's cgroup and those above it, in CPUs (0.5: half of one
/// CPU's time). `None` if there is none.
pub fn cgroup_cpu_quota() -> Option<f64> {
    cpu_quota_in(Path::new("/"))
}

fn pids_max_in(root: &Path) -> Option<u64> {
    let cgroups = Cgroups::read(root);
    // The file has the same name and format in both versions; "max" does not parse.
    let values = cgroups.values("pids", |group| group.read("pids.max")?.parse().ok());
    values.into_iter().min()
}

fn cpu_quota_in(root: &Path) -> Option<f64> {
    let cgroups = Cgroups::read(root);
    let values = cgroups.values("cpu", |group| {
        let (quota, period) = match group.read("cpu.max") {
            // Version 2: "200000 100000" or "max 100000".
            Some(both) => {
                let (quota, period) = both.split_once(' ')?;
                (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
            }
            // Version 1: two files; no quota is -1.
            None => (
                group.read("cpu.cfs_quota_us")?.parse().ok()?,
                group.read("cpu.cfs_period_us")?.parse().ok()?,
            ),
        };
        (quota > 0.0 && period > 0.0).then_some(quota / period)
    });
    values.into_iter().min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// A file tree with the given files.
    fn tree(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    const V2_MOUNT: &str = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";

    #[test]
    fn version_2_takes_the_smallest_on_the_way_up() {
        let root = tree(&[
            ("proc/self/cgroup", "0::/user/app\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/fs/cgroup/user/app/pids.max", "max\n"),
            ("sys/fs/cgroup/user/app/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/user/pids.max", "120\n"),
            ("sys/fs/cgroup/user/cpu.max", "max 100000\n"),
        ]);
        assert_eq!(pids_max_in(root.path()), Some(120));
        assert_eq!(cpu_quota_in(root.path()), Some(1.5));
    }

    #[test]
    fn version_1_in_a_container() {
        // The mount shows only the container's part of the hierarchy.
        let root = tree(&[
            ("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc/app\n3:pids:/docker/abc\n0::/\n"),
            (
                "proc/self/mountinfo",
                "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu\\040acct rw - cgroup cgroup rw,cpu,cpuacct\n\
                 33 31 0:30 /docker/abc /sys/fs/cgroup/pids rw shared:1 - cgroup cgroup rw,pids\n",
            ),
            ("sys/fs/cgroup/cpu acct/app/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu acct/app/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu acct/cpu.cfs_quota_us", "20000\n"),
            ("sys/fs/cgroup/cpu acct/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/pids/pids.max", "64\n"),
        ]);
        assert_eq!(pids_max_in(root.path()), Some(64));
        assert_eq!(cpu_quota_in(root.path()), Some(0.2));
    }

    #[test]
    fn both_versions_side_by_side() {
        let root = tree(&[
            ("proc/self/cgroup", "8:pids:/a\n0::/b\n"),
            (
                "proc/self/mountinfo",
                "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                 41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            ),
            ("sys/fs/cgroup/pids/a/pids.max", "500\n"),
            ("sys/fs/cgroup/unified/b/cpu.max", "50000 100000\n"),
        ]);
        assert_eq!(pids_max_in(root.path()), Some(500));
        assert_eq!(cpu_quota_in(root.path()), Some(0.5));
    }

    #[test]
    fn nothing_readable_is_no_limit() {
        for files in [
            &[][..],
            &[("proc/self/cgroup", "0::/x\n")],
            &[("proc/self/cgroup", "junk\n\n"), ("proc/self/mountinfo", "junk\n - \n")],
            &[("proc/self/cgroup", "0::/x\n"), ("proc/self/mountinfo", V2_MOUNT)],
            &[
                ("proc/self/cgroup", "0::/x\n"),
                ("proc/self/mountinfo", V2_MOUNT),
                ("sys/fs/cgroup/x/cpu.max", "1 0\n"),
                ("sys/fs/cgroup/x/pids.max", "many\n"),
            ],
        ] {
            let root = tree(files);
            assert_eq!(pids_max_in(root.path()), None);
            assert_eq!(cpu_quota_in(root.path()), None);
        }
    }

    #[test]
    fn this_machine() {
        // Only that they return: what they say depends on where the test runs.
        let _ = (nproc(), cgroup_pids_max());
        assert!(cgroup_cpu_quota().is_none_or(|cpus| cpus > 0.0));
    }
}
