//! A control group for a child of the test, where the process may make one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A group of this process's own making, removed at the end.
pub struct Group(PathBuf);

impl Group {
    /// A group under the one that this process is in, which has the file `knob`; `controller`
    /// names the hierarchy of version 1. `None` where that is not possible: no such controller,
    /// read-only, or somebody else's.
    pub fn create(controller: &str, knob: &str) -> Option<Group> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        own.lines().find_map(|line| {
            // hierarchy:controllers:path, with no controllers for version 2
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let path = path.trim_start_matches('/');
            if controllers.is_empty() {
                Group::under(&Path::new("/sys/fs/cgroup").join(path), knob)
            } else if controllers.split(',').any(|name| name == controller) {
                Group::under(&Path::new("/sys/fs/cgroup").join(controllers).join(path), knob)
            } else {
                None
            }
        })
    }

    fn under(parent: &Path, knob: &str) -> Option<Group> {
        let group = parent.join(format!("cmwq-test-{}", std::process::id()));
        fs::create_dir(&group).ok()?;
        let group = Group(group);
        group.0.join(knob).exists().then_some(group)
    }

    /// Writes a file of the group.
    ///
    /// # Panics
    /// When the kernel refuses: the group is ours.
    pub fn set(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap_or_else(|e| panic!("{file} = {value}: {e}"));
    }

    /// What moves a process into the group, as a step for [`Prepare::step`](crate::child::Prepare::step).
    ///
    /// # Panics
    /// When the group's list of processes cannot be opened.
    pub fn entrance(&self) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
        let procs: File = OpenOptions::new()
            .write(true)
            .open(self.0.join("cgroup.procs"))
            .expect("the group is ours");
        // 0 is the writing process.
        move || rustix::io::write(&procs, b"0").map(drop).map_err(io::Error::from)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Fails while a process of a failed test lives in it; the test has failed then.
        let _ = fs::remove_dir(&self.0);
    }
}
