//! Child processes of this program, for what can only be measured on a process of its own.
//!
//! A child is this program with a word in the environment. It gets ready, says `ready`, does the
//! next step at each line on its stdin, and ends when stdin does.

use std::{
    hint::black_box,
    io::{self, BufRead, BufReader, Write},
    pin::Pin,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use crate::{
    Result, alloc,
    subject::{Runtime, Subject, on},
};

const VARIABLE: &str = "CMWQ_BENCHES_CHILD";

/// What a child does.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// Nothing: the empty program.
    Empty,
    /// Starts a runtime, and that is all. Next steps: `block N` has N tasks block, until `resume`.
    Idle(Subject, usize),
    /// A runtime that answers each line with the bytes allocated per spawned task beyond its future.
    Tasks(Subject, usize),
}

impl Role {
    fn word(self) -> String {
        match self {
            Role::Empty => "empty".into(),
            Role::Idle(subject, cores) => format!("idle {} {cores}", subject.word()),
            Role::Tasks(subject, cores) => format!("tasks {} {cores}", subject.word()),
        }
    }
}

/// The role of this process, if it is a child.
pub fn role() -> Option<Result<Role>> {
    let text = std::env::var(VARIABLE).ok()?;
    let mut words = text.split(' ');
    let mut parse = || -> Result<Role> {
        let mut word = || words.next().ok_or("a word is missing");
        let role = word()?;
        if role == "empty" {
            return Ok(Role::Empty);
        }
        let subject = Subject::from_word(word()?)?;
        let cores = word()?.parse()?;
        match role {
            "idle" => Ok(Role::Idle(subject, cores)),
            "tasks" => Ok(Role::Tasks(subject, cores)),
            _ => Err("no such role".into()),
        }
    };
    Some(parse().map_err(|error| {
        format!("{VARIABLE}=`{text}` is for this program's own children ({error}): unset it").into()
    }))
}

/// A child's whole life.
pub fn run(role: Role) -> Result<()> {
    match role {
        Role::Empty => answer(|_| Ok("done".into())),
        Role::Idle(subject, cores) => on!(subject, idle(cores)),
        Role::Tasks(subject, cores) => on!(subject, tasks(cores)),
    }
}

fn idle<R: Runtime>(subject: Subject, cores: usize) -> Result<()> {
    let runtime = R::start(subject, cores)?;
    // So that every worker has run something.
    runtime.block_on(async { R::spawn(R::sleep(Duration::from_millis(20))).await });
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    answer(|line| {
        if let Some(n) = line.strip_prefix("block ") {
            let n = n.parse()?;
            *gate.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
            let blocked = Arc::new(AtomicUsize::new(0));
            runtime.block_on(async {
                for _ in 0..n {
                    let (gate, blocked) = (gate.clone(), blocked.clone());
                    // Detached.
                    drop(R::spawn(async move {
                        blocked.fetch_add(1, Ordering::SeqCst);
                        let shut = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
                        drop(gate.1.wait_while(shut, |open| !*open));
                    }));
                }
            });
            while blocked.load(Ordering::SeqCst) < n {
                thread::sleep(Duration::from_millis(1));
            }
        } else {
            *gate.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            gate.1.notify_all();
        }
        Ok("done".into())
    })
}

fn tasks<R: Runtime>(subject: Subject, cores: usize) -> Result<()> {
    const TASKS: usize = 10_000;
    let runtime = R::start(subject, cores)?;
    answer(|_| {
        let bytes = runtime.block_on(async {
            // The handles have a place before the counting begins.
            let mut handles = Vec::with_capacity(TASKS);
            let (bytes, ()) = alloc::allocated_by(|| {
                for _ in 0..TASKS {
                    handles.push(R::spawn(Held([0; 64])));
                }
            });
            for handle in handles {
                handle.await;
            }
            bytes
        });
        Ok(format!("{:.1}", bytes as f64 / TASKS as f64 - size_of::<Held>() as f64))
    })
}

/// 64 bytes, ready at its first poll.
struct Held([u8; 64]);

impl Future for Held {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        black_box(&self.0);
        Poll::Ready(())
    }
}

/// Says `ready`, then answers each line; returns when stdin ends.
fn answer(mut step: impl FnMut(&str) -> Result<String>) -> Result<()> {
    println!("ready");
    for line in io::stdin().lock().lines() {
        println!("{}", step(&line?)?);
        io::stdout().flush()?;
    }
    // Tasks may be blocked: end without waiting for them.
    std::process::exit(0)
}

/// A running child, seen from its parent; dropping it ends it.
pub struct Running {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    role: Role,
}

impl Running {
    /// Returns when the child is ready.
    pub fn start(role: Role) -> Result<Running> {
        let mut process = Command::new(std::env::current_exe()?)
            .env(VARIABLE, role.word())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the child process {role:?} ({error})"))?;
        let stdin = process.stdin.take().expect("stdin is a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        let mut child = Running { process, stdin, stdout, role };
        child.line()?;
        Ok(child)
    }

    /// Has it do the next step; returns its answer.
    pub fn step(&mut self, line: &str) -> Result<String> {
        writeln!(self.stdin, "{line}")?;
        self.line()
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line)? {
            0 => {
                Err(format!("the child process {:?} ended too early, see above", self.role).into())
            }
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only for a process that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
