//! Where the process's cgroups are in the file system.
//!
//! `/proc/self/cgroup` names the group within its hierarchy, `/proc/self/mountinfo` where that
//! hierarchy is mounted, and which part of it. Both versions may be in use at once, with a
//! controller in either; a container usually sees only its own part.
//!
//! The limit of a group holds for everything below it, so [`Cgroups::values`] looks at all the
//! groups from the process's own up to the mount point. What is above the mount point cannot be
//! seen from inside a container, and is missed.

use std::fs;
use std::path::{Path, PathBuf};

/// The hierarchies that the process is in.
pub(super) struct Cgroups(Vec<Hierarchy>);

struct Hierarchy {
    /// Controllers of a version 1 hierarchy; `None` for version 2, which has them all.
    controllers: Option<Vec<String>>,
    mount: PathBuf,
    group: PathBuf,
}

/// The folder of one group.
pub(super) struct Group<'a>(&'a Path);

impl Group<'_> {
    /// The content of one of its files, without the line's end.
    pub(super) fn read(&self, file: &str) -> Option<String> {
        Some(fs::read_to_string(self.0.join(file)).ok()?.trim().to_owned())
    }
}

impl Cgroups {
    /// Reads them with `root` in the place of `/`; what cannot be read is left out.
    pub(super) fn read(root: &Path) -> Self {
        let text = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
        let groups = text("proc/self/cgroup");
        let mounts = text("proc/self/mountinfo");
        let found = mounts.lines().filter_map(|line| {
            let mount = Mount::parse(line)?;
            let path = groups.lines().find_map(|line| mount.group_in(line))?;
            // Seen from a namespace beside ours the path has ".." or another start: then the mount
            // point is the nearest that is known.
            let inside = Path::new(path).strip_prefix(&mount.shows).unwrap_or(Path::new(""));
            let inside = if path.contains("/..") { Path::new("") } else { inside };
            let at = root.join(mount.at.strip_prefix('/')?);
            Some(Hierarchy { controllers: mount.controllers, group: at.join(inside), mount: at })
        });
        Cgroups(found.collect())
    }

    /// What `read` finds in the process's groups under `controller`, the nearest group first.
    pub(super) fn values<T>(
        &self,
        controller: &str,
        read: impl Fn(Group<'_>) -> Option<T>,
    ) -> Vec<T> {
        let has = |hierarchy: &&Hierarchy| match &hierarchy.controllers {
            Some(own) => own.iter().any(|own| own == controller),
            None => true,
        };
        let ways_up = self.0.iter().filter(has).flat_map(|hierarchy| {
            hierarchy.group.ancestors().take_while(|group| group.starts_with(&hierarchy.mount))
        });
        ways_up.filter_map(|group| read(Group(group))).collect()
    }
}

/// One cgroup line of mountinfo.
struct Mount {
    /// The part of the hierarchy that is mounted here.
    shows: String,
    at: String,
    controllers: Option<Vec<String>>,
}

impl Mount {
    /// `31 23 0:28 SHOWS AT rw,nosuid shared:1 - TYPE SOURCE OPTIONS`
    fn parse(line: &str) -> Option<Mount> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let mut back = back.split(' ');
        let controllers = match back.next()? {
            "cgroup" => Some(back.nth(1)?.split(',').map(str::to_owned).collect()),
            "cgroup2" => None,
            _ => return None,
        };
        Some(Mount { shows: unescape(front.next()?), at: unescape(front.next()?), controllers })
    }

    /// The group that a line of `/proc/self/cgroup` names, if it is of this hierarchy:
    /// `8:cpu,cpuacct:/path` in version 1, `0::/path` in version 2.
    fn group_in<'a>(&self, line: &'a str) -> Option<&'a str> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let ours = match &self.controllers {
            None => controllers.is_empty(),
            Some(own) => controllers.split(',').any(|one| own.iter().any(|own| own == one)),
        };
        ours.then_some(path)
    }
}

/// mountinfo writes blanks, line ends and backslashes as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.get(..3).and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => {
                out.push(code.into());
                rest = &after[3..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out + rest
}
