//! A child that stays: it gets ready, says so, does the next step at each line on its stdin, and
//! ends when stdin does. For what is watched or loaded from outside.

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

use serde::{Deserialize, Serialize};

use super::{Job, Role, measured::command};
use crate::{
    Result, case::Settings, contender::Contender, load::server, measure::alloc, on,
    runtimes::Runtime,
};

/// What it is there for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Service {
    /// Nothing: the empty program.
    Empty,
    /// A runtime, and that is all. Next steps: `block N` has N tasks block, until `resume`.
    Idle,
    /// A runtime that answers each line with the bytes allocated per spawned task beyond its future.
    Tasks,
    /// A server that says the port at which it echoes.
    Echo,
    /// A server that says the port at which it answers HTTP/1.1.
    Http,
}

/// The child's side.
pub fn run(job: &Job, service: Service) -> Result<()> {
    let (contender, cores) = (job.contender, job.settings.cores);
    match service {
        Service::Empty => answer("ready", |_| Ok("done".into())),
        Service::Idle => on!(contender, idle(cores)),
        Service::Tasks => on!(contender, tasks(cores)),
        Service::Echo => server::echo(contender, cores, announce),
        Service::Http => server::http(contender, cores, announce),
    }
}

fn announce(port: u16) -> Result<()> {
    answer(&port.to_string(), |_| Ok("done".into()))
}

fn idle<R: Runtime>(contender: Contender, cores: usize) -> Result<()> {
    let runtime = R::start(contender, cores)?;
    // So that every worker has run something.
    runtime.block_on(async { R::spawn(R::sleep(Duration::from_millis(20))).await });
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    answer("ready", |line| {
        if let Some(n) = line.strip_prefix("block ") {
            let n = n.parse()?;
            *gate.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
            let blocked = Arc::new(AtomicUsize::new(0));
            runtime.block_on(async {
                for _ in 0..n {
                    let (gate, blocked) = (gate.clone(), blocked.clone());
                    R::detach(async move {
                        blocked.fetch_add(1, Ordering::SeqCst);
                        let shut = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
                        drop(gate.1.wait_while(shut, |open| !*open));
                    });
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

fn tasks<R: Runtime>(contender: Contender, cores: usize) -> Result<()> {
    /// So many that what the runtime keeps beside them does not count.
    const TASKS: usize = 100_000;
    let runtime = R::start(contender, cores)?;
    answer("ready", |_| {
        let bytes = runtime.block_on(async {
            // The handles have a place before the counting begins.
            let mut handles = Vec::with_capacity(TASKS);
            let (bytes, ()) = alloc::allocated_by(|| {
                for _ in 0..TASKS {
                    handles.push(R::spawn(Held([0; 64])));
                }
            });
            // All of them live on: a runtime whose tasks go with their handles has them too.
            std::mem::forget(handles);
            bytes
        });
        Ok(format!("{:.1}", bytes as f64 / TASKS as f64 - size_of::<Held>() as f64))
    })
}

/// 64 bytes, never ready.
struct Held([u8; 64]);

impl Future for Held {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        black_box(&self.0);
        Poll::Pending
    }
}

/// Says that it is ready, then answers each line until stdin ends.
fn answer(ready: &str, mut step: impl FnMut(&str) -> Result<String>) -> Result<()> {
    println!("{ready}");
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
    name: String,
    ready: String,
}

impl Running {
    /// This program with that service; returns when it is ready.
    pub fn start(contender: Contender, settings: Settings, service: Service) -> Result<Running> {
        let job = Job { contender, settings, role: Role::Serve(service) };
        Running::spawn(format!("{service:?} of {contender}"), command(&job)?)
    }

    /// Any program that says a line when it is ready.
    pub fn spawn(name: String, mut command: Command) -> Result<Running> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the process {name} ({error})"))?;
        let stdin = process.stdin.take().expect("stdin is a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        let mut child = Running { process, stdin, stdout, name, ready: String::new() };
        child.ready = child.line()?;
        Ok(child)
    }

    /// What it said when it was ready.
    pub fn ready(&self) -> &str {
        &self.ready
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
            0 => Err(format!("the process {} ended too early, see above", self.name).into()),
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
