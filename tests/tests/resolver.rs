//! `getaddrinfo` that blocks, called by the user and by the runtime itself.
//!
//! The C library reads the file named by HOSTALIASES for every name without a dot that it asks
//! a DNS server about; here that file is a FIFO. In a child process, where the variable is set
//! before anything else runs.

use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::{Beside, Block, Case, beside, confine, every_case, finish, skip};
use std::fs::{File, OpenOptions};
use std::net::ToSocketAddrs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Has no dot, and is in nobody's hosts file.
const NAME: &str = "cmwq-test-name:80";

every_case! {
    fn called_by_the_user(case) {
        with_aliases(&case.test(module_path!()), |path| {
            beside::beside_block(case, Block::new(
                || drop(NAME.to_socket_addrs()),
                move || answer(&path, writer(&path).expect("it waits")),
            ));
        });
    }

    fn called_by_connect(case) {
        with_aliases(&case.test(module_path!()), |path| connect(case, &path));
    }
}

/// `TcpStream::connect` by name, in a task of its own.
fn connect(case: Case, path: &Path) {
    let runtime = case.start(1);
    let beside = Beside::start(&runtime);
    let (started_tx, started) = mpsc::channel();
    let task = runtime.spawn(async move {
        started_tx.send(()).expect("the test waits");
        cmwq::net::TcpStream::connect(NAME).await
    });
    started.recv().expect("the task starts");
    let aliases = writer(path).expect("connect looks the name up");
    // The reader waits for the first byte while a writer is there.
    let progress = beside.progress();
    assert!(!task.is_finished(), "nobody answered yet");
    answer(path, aliases);
    progress.expect("timers and sockets go on beside the look-up");
    finish(task).expect("the task ends normally").expect_err("there is no such host");
}

/// Runs `body` with the path of the FIFO that look-ups block on.
fn with_aliases(name: &str, body: impl FnOnce(PathBuf)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("aliases");
    confine::fifo(&path).expect("mkfifo");
    let prepare =
        Prepare::new().env("HOSTALIASES", &path).env("RES_OPTIONS", "timeout:1 attempts:1");
    in_child(name, prepare, || {
        let path = PathBuf::from(std::env::var_os("HOSTALIASES").expect("set by the parent"));
        if reads_aliases(&path) {
            body(path);
        } else {
            skip(name, "the C library asks no DNS server about a name without a dot");
        }
    })
    .expect("the child starts");
}

/// Whether a look-up opens the FIFO at all; leaves a fresh one.
fn reads_aliases(path: &Path) -> bool {
    let lookup = thread::spawn(|| drop(NAME.to_socket_addrs()));
    let Some(aliases) = writer(path) else { return false };
    answer(path, aliases);
    lookup.join().expect("a look-up does not panic");
    confine::fifo(path).expect("mkfifo");
    true
}

/// Lets the look-up find no alias, and its further ones no file.
fn answer(path: &Path, aliases: File) {
    std::fs::remove_file(path).expect("the FIFO is there");
    drop(aliases);
}

/// A writing end, once there is a reader.
fn writer(path: &Path) -> Option<File> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        // Without a reader this is ENXIO; it does not wait for one.
        let open = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path);
        if let Ok(file) = open {
            return Some(file);
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}
