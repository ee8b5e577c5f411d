//! Tests that need a process of their own: other user, other limits, other CPUs.
//!
//! The test starts its own binary again, with the same test's name and a mark in the
//! environment; the preparation runs between fork and exec.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Set in the child.
const MARK: &str = "CMWQ_TESTS_CHILD";

/// What happens to the child before it starts.
#[derive(Default)]
pub struct Prepare {
    env: Vec<(String, String)>,
    steps: Vec<Box<dyn FnMut() -> io::Result<()> + Send + Sync>>,
}

impl Prepare {
    /// Nothing.
    pub fn new() -> Prepare {
        Prepare::default()
    }

    /// Sets a variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Prepare {
        self.env.push((key.into(), value.as_ref().to_str().expect("UTF-8").into()));
        self
    }

    /// Runs `step` between fork and exec. It must only make system calls: other threads of the
    /// parent may have held any lock, the allocator's too, at the moment of the fork.
    pub fn step(mut self, step: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Prepare {
        self.steps.push(Box::new(step));
        self
    }
}

/// Whether this process is such a child.
pub fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs `body` as the test `name` in a child process.
///
/// `name` is the test's full path within its binary; the child must report that exactly this
/// test passed. To be used within [`run`](crate::run), which both processes go through.
///
/// # Errors
/// When the child cannot be started, among others because a preparation step failed.
///
/// # Panics
/// When the child fails, with what it printed.
pub fn in_child(name: &str, prepare: Prepare, body: impl FnOnce()) -> io::Result<()> {
    if is_child() {
        body();
        return Ok(());
    }
    let Prepare { env, steps } = prepare;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(MARK, "1").envs(env);
    for step in steps {
        // SAFETY: `Prepare::step` demands that a step only makes system calls, which is what
        // may be done between fork and exec.
        unsafe { command.pre_exec(step) };
    }
    let output = command.output()?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    for line in text.lines().filter(|line| line.starts_with("SKIPPED")) {
        eprintln!("{line}");
    }
    assert!(output.status.success(), "child of {name}: {}\n{text}", output.status);
    assert!(text.contains("1 passed"), "the child did not run {name}\n{text}");
    Ok(())
}
