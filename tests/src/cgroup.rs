//! A control group for a child of the test, where the process may make one.

use crate::child::{Prepare, in_child, is_child};
use crate::skip;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Runs `body` as the test `name` in a child process (see [`in_child`]) within a group of its own
/// under `controller`, which gets the first of `limits`, files and values, that the kernel knows.
/// Says so and runs nothing where no such group can be made.
///
/// # Panics
/// When the child fails, with what it printed.
pub fn in_group(name: &str, controller: &str, limits: &[(&str, &str)], body: impl FnOnce()) {
    let mut prepare = Prepare::new();
    let limited = |&(file, value): &(&str, &str)| {
        let group = Group::create(controller, file)?;
        group.set(file, value);
        Some(group)
    };
    // Kept until the child has ended.
    let group = if is_child() { None } else { limits.iter().find_map(limited) };
    match &group {
        Some(group) => prepare = prepare.step(group.entrance()),
        None if is_child() => {}
        None => return skip(name, "no control group can be made here"),
    }
    in_child(name, prepare, body).expect("the child starts");
}

/// A group of this process's own making, removed at the end.
pub struct Group(PathBuf);

impl Group {
    /// A group under the one that this process is in, which has the file `knob`; `controller`
    /// names the hierarchy of version 1. `None` where that is not possible: no such controller,
    /// read-only, or somebody else's.
    pub fn create(controller: &str, knob: &str) -> Option<Group> {
        folders(controller).iter().find_map(|folder| Group::under(folder, knob))
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
    /// Where the kernel refuses.
    pub fn set(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap_or_else(|e| panic!("{file} = {value}: {e}"));
    }

    /// What moves a process into the group, as a step of its preparation.
    ///
    /// # Panics
    /// Where the group is somebody else's.
    pub fn entrance(&self) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
        let procs: File = OpenOptions::new()
            .write(true)
            .open(self.0.join("cgroup.procs"))
            .expect("the group is ours");
        // 0 is the writing process.
        move || rustix::io::write(&procs, b"0").map(drop).map_err(io::Error::from)
    }
}

/// Writes a file of the group that this process is in.
///
/// # Errors
/// No such group, or what the kernel says.
pub fn set_own(controller: &str, file: &str, value: &str) -> io::Result<()> {
    let folder = folders(controller).into_iter().find(|folder| folder.join(file).exists());
    fs::write(folder.ok_or(io::ErrorKind::NotFound)?.join(file), value)
}

/// The folders of the groups that this process is in: that of version 2, and that of version 1 for
/// the controller.
fn folders(controller: &str) -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let folder = |line: &str| {
        // hierarchy:controllers:path, with no controllers for version 2
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let path = path.trim_start_matches('/');
        let root = Path::new("/sys/fs/cgroup");
        if controllers.is_empty() {
            Some(root.join(path))
        } else if controllers.split(',').any(|name| name == controller) {
            Some(root.join(controllers).join(path))
        } else {
            None
        }
    };
    own.lines().filter_map(folder).collect()
}

impl Drop for Group {
    fn drop(&mut self) {
        // Fails while a process of a failed test lives in it; the test has failed then.
        let _ = fs::remove_dir(&self.0);
    }
}
