//! Ways to block a thread, each with the means to end the block from outside.

use crate::confine;
use crate::userfault::UserFault;
use rustix::fs::FlockOperation;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// From linux/fcntl.h.
const F_SETSIG: libc::c_int = 10;

/// A call that blocks until `release` was called.
pub struct Block {
    /// Blocks.
    pub enter: Box<dyn FnOnce() + Send>,
    /// Ends the block; never blocks itself for long.
    pub release: Box<dyn FnOnce() + Send>,
}

impl Block {
    /// A block of two halves.
    pub fn new(
        enter: impl FnOnce() + Send + 'static,
        release: impl FnOnce() + Send + 'static,
    ) -> Block {
        Block { enter: Box::new(enter), release: Box::new(release) }
    }

    /// For a call that nobody can end from outside: repeated, without returning to the runtime
    /// in between, until the release.
    fn repeat(mut call: impl FnMut() + Send + 'static) -> Block {
        let released = Arc::new(AtomicBool::new(false));
        let seen = released.clone();
        Block::new(
            move || {
                while !seen.load(Ordering::SeqCst) {
                    call();
                }
            },
            move || released.store(true, Ordering::SeqCst),
        )
    }

    /// `std::thread::sleep`, long enough that the other tasks can be counted within one.
    pub fn sleep() -> Block {
        Block::repeat(|| thread::sleep(Duration::from_millis(100)))
    }

    /// Reading an empty pipe.
    pub fn pipe() -> Block {
        let (mut reader, mut writer) = io::pipe().expect("a pipe");
        Block::new(
            move || reader.read_exact(&mut [0]).expect("one byte comes"),
            move || writer.write_all(&[1]).expect("the reader lives"),
        )
    }

    /// A `std::sync::Mutex` that another thread holds.
    pub fn mutex() -> Block {
        let mutex = Arc::new(Mutex::new(()));
        let (locked_tx, locked) = mpsc::channel();
        let (unlock, unlocked) = mpsc::channel::<()>();
        let holder = {
            let mutex = mutex.clone();
            thread::spawn(move || {
                let _guard = mutex.lock().expect("nobody panics with it");
                locked_tx.send(()).expect("the maker waits");
                // An error means that the test is over.
                let _ = unlocked.recv();
            })
        };
        locked.recv().expect("the holder locks");
        Block::new(
            move || drop(mutex.lock().expect("nobody panics with it")),
            move || {
                drop(unlock);
                holder.join().expect("the holder does not panic");
            },
        )
    }

    /// `std::sync::Condvar`.
    pub fn condvar() -> Block {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let waiter = pair.clone();
        Block::new(
            move || {
                let guard = waiter.0.lock().expect("nobody panics with it");
                let guard = waiter.1.wait_while(guard, |ready| !*ready);
                drop(guard.expect("nobody panics with it"));
            },
            move || {
                *pair.0.lock().expect("nobody panics with it") = true;
                pair.1.notify_all();
            },
        )
    }

    /// `std::sync::mpsc::Receiver::recv`.
    pub fn channel() -> Block {
        let (tx, rx) = mpsc::channel();
        Block::new(
            move || rx.recv().expect("a message comes"),
            move || tx.send(()).expect("the receiver waits"),
        )
    }

    /// Opening a regular file that somebody holds a lease on: a block of `open` itself.
    pub fn leased_file() -> Block {
        // As a path only: while the file is open for writing there is no read lease on it.
        let file = tempfile::NamedTempFile::new().expect("a temporary file").into_temp_path();
        let holder = File::open(&file).expect("a readable file");
        // The default signal of a lease break, SIGIO, ends the process; SIGURG is ignored.
        // SAFETY: these commands take an integer and no pointer.
        let leased = unsafe {
            libc::fcntl(holder.as_raw_fd(), F_SETSIG, libc::SIGURG)
                | libc::fcntl(holder.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK)
        };
        assert_eq!(leased, 0, "a lease on a file of our own: {}", io::Error::last_os_error());
        let path = file.to_path_buf();
        Block::new(
            move || {
                // A read lease is broken by whoever opens for writing.
                let mut file = OpenOptions::new().write(true).open(&path).expect("open");
                file.write_all(b"opened").expect("write");
            },
            move || {
                drop(holder);
                drop(file);
            },
        )
    }

    /// Reading a file that is dropped from the page cache before each read.
    pub fn file_read() -> Block {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&vec![7; 1 << 20]).expect("a megabyte of disk");
        file.sync_all().expect("fsync");
        let mut buf = vec![0; 1 << 20];
        Block::repeat(move || {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("fadvise");
            file.seek(SeekFrom::Start(0)).expect("seek");
            file.read_exact(&mut buf).expect("what was written is there");
        })
    }

    /// Writing and `fsync`.
    pub fn fsync() -> Block {
        let mut file = tempfile::tempfile().expect("a temporary file");
        Block::repeat(move || {
            file.write_all(&[1; 4096]).expect("a page of disk");
            file.sync_all().expect("fsync");
        })
    }

    /// `flock` on a file that another open file description has locked.
    pub fn flock() -> Block {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let (holder, waiter) = (
            File::open(file.path()).expect("a readable file"),
            File::open(file.path()).expect("a readable file"),
        );
        rustix::fs::flock(&holder, FlockOperation::LockExclusive).expect("the first lock");
        Block::new(
            move || {
                rustix::fs::flock(&waiter, FlockOperation::LockExclusive).expect("the second lock")
            },
            move || {
                drop(holder);
                drop(file);
            },
        )
    }

    /// Opening a FIFO that has no writer yet.
    pub fn fifo_open() -> Block {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("fifo");
        confine::fifo(&path).expect("mkfifo");
        let reader = path.clone();
        Block::new(
            move || drop(File::open(reader).expect("open")),
            move || {
                drop(open_writer(&path));
                drop(folder);
            },
        )
    }

    /// Waiting for a child process.
    pub fn child_wait() -> Block {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("cat is installed");
        let stdin = child.stdin.take();
        Block::new(
            move || {
                let status = child.wait().expect("a child to wait for");
                assert!(status.success(), "cat: {status}");
            },
            move || drop(stdin),
        )
    }

    /// `posix_spawn`, which suspends the caller as `vfork` does until the child has executed:
    /// the child first opens a FIFO.
    pub fn vfork() -> Block {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("fifo");
        confine::fifo(&path).expect("mkfifo");
        let input = path.clone();
        Block::new(
            move || spawn_true(&input),
            move || {
                drop(open_writer(&path));
                drop(folder);
            },
        )
    }

    /// `accept` on a blocking socket.
    pub fn accept() -> Block {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback listener");
        let addr = listener.local_addr().expect("a bound address");
        Block::new(
            move || drop(listener.accept().expect("a connection comes")),
            move || drop(TcpStream::connect(addr).expect("somebody accepts")),
        )
    }

    /// A page fault that sleeps.
    ///
    /// # Errors
    /// When the process may not use userfaultfd.
    pub fn page_fault() -> io::Result<Block> {
        let page = Arc::new(UserFault::new()?);
        let toucher = page.clone();
        Ok(Block::new(
            move || assert_eq!(toucher.touch(), 7),
            move || page.provide().expect("the page is provided once"),
        ))
    }

    /// This block, entered while the thread holds stdout's lock.
    pub fn holding_stdout(self) -> Block {
        let Block { enter, release } = self;
        Block::new(
            move || {
                let _stdout = io::stdout().lock();
                enter();
            },
            release,
        )
    }
}

/// Opens a FIFO for writing, which waits for its reader.
fn open_writer(path: &Path) -> File {
    OpenOptions::new().write(true).open(path).expect("a reader comes")
}

/// Runs `true` with its input opened from `path` by the child, before it executes.
fn spawn_true(path: &Path) {
    use std::ffi::CString;
    use std::mem::MaybeUninit;
    let path = CString::new(path.to_str().expect("UTF-8")).expect("no NUL in a path");
    let program = c"true".as_ptr().cast_mut();
    let mut pid = 0;
    // SAFETY: `actions` is initialised before use and destroyed once; the strings and both
    // null-terminated vectors outlive the call; glibc's child shares the memory only until it
    // executes, while this thread is suspended.
    unsafe {
        let mut actions = MaybeUninit::uninit();
        assert_eq!(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()), 0);
        let actions = actions.as_mut_ptr();
        let opened =
            libc::posix_spawn_file_actions_addopen(actions, 0, path.as_ptr(), libc::O_RDONLY, 0);
        assert_eq!(opened, 0);
        let argv = [program, std::ptr::null_mut()];
        let envp = [std::ptr::null_mut()];
        let spawned = libc::posix_spawnp(
            &mut pid,
            program,
            actions,
            std::ptr::null(),
            argv.as_ptr(),
            envp.as_ptr(),
        );
        libc::posix_spawn_file_actions_destroy(actions);
        assert_eq!(spawned, 0, "{}", io::Error::from_raw_os_error(spawned));
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        assert_eq!(status, 0, "true ends with 0");
    }
}
