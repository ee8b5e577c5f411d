//! The runtimes that are compared, under one face.

use std::{fmt, future::Future, time::Duration};

use cmwq::runtime::{Builder, Detector, Pin};

use crate::Result;

/// What the work of a case calls. Each method is the runtime's own, with nothing between that
/// costs.
pub trait Runtime: Sized + Send + 'static {
    /// Starts it with so many worker threads.
    fn start(subject: Subject, cores: usize) -> Result<Self>;
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    /// Spawns from inside.
    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;
    fn yield_now() -> impl Future<Output = ()> + Send;
    /// Ends it although tasks may be left.
    fn stop(self);
}

/// A runtime and its setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// tokio's multi-thread runtime.
    Tokio,
    /// cmwq with this detector.
    Cmwq(Detector),
}

impl Subject {
    /// All that a table may have; those that this process may not use are refused by `start`.
    pub const ALL: [Subject; 4] = [
        Subject::Tokio,
        Subject::Cmwq(Detector::Idle),
        Subject::Cmwq(Detector::Perf),
        Subject::Cmwq(Detector::Monitor),
    ];

    /// For the command line of a child process.
    pub fn word(self) -> &'static str {
        match self {
            Subject::Tokio => "tokio",
            Subject::Cmwq(Detector::Idle) => "idle",
            Subject::Cmwq(Detector::Perf) => "perf",
            Subject::Cmwq(Detector::Monitor) => "monitor",
            Subject::Cmwq(Detector::Off) => "off",
            Subject::Cmwq(_) => "auto",
        }
    }

    /// What `word` wrote.
    pub fn from_word(word: &str) -> Result<Subject> {
        Ok(match word {
            "tokio" => Subject::Tokio,
            "idle" => Subject::Cmwq(Detector::Idle),
            "perf" => Subject::Cmwq(Detector::Perf),
            "monitor" => Subject::Cmwq(Detector::Monitor),
            "off" => Subject::Cmwq(Detector::Off),
            "auto" => Subject::Cmwq(Detector::Auto),
            _ => return Err(format!("`{word}` is no runtime of this program").into()),
        })
    }

    /// The ones of `wanted` that start here; says aloud which do not, and why.
    pub fn available(wanted: &[Subject]) -> Vec<Subject> {
        let starts = |subject: &Subject| match subject {
            Subject::Tokio => true,
            Subject::Cmwq(_) => match Cmwq::start(*subject, 1) {
                Ok(runtime) => {
                    runtime.stop();
                    true
                }
                Err(error) => {
                    println!("without {subject}: {error}");
                    false
                }
            },
        };
        wanted.iter().copied().filter(starts).collect()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Tokio => f.write_str("tokio"),
            Subject::Cmwq(_) => write!(f, "cmwq {}", self.word()),
        }
    }
}

pub struct Tokio(tokio::runtime::Runtime);

impl Runtime for Tokio {
    fn start(_: Subject, cores: usize) -> Result<Self> {
        let built =
            tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build();
        built.map(Tokio).map_err(|error| format!("cannot start tokio ({error})").into())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = tokio::spawn(future);
        async { handle.await.expect("tasks of a case do not panic") }
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn stop(self) {
        self.0.shutdown_timeout(Duration::from_secs(1));
    }
}

pub struct Cmwq(cmwq::runtime::Runtime);

impl Runtime for Cmwq {
    fn start(subject: Subject, cores: usize) -> Result<Self> {
        let Subject::Cmwq(detector) = subject else {
            return Err(format!("{subject} is not cmwq").into());
        };
        // Pinned also where a case uses fewer cores than there are, or idle would be refused.
        let built = Builder::new_multi_thread()
            .worker_threads(cores)
            .pin(Pin::Always)
            .detector(detector)
            .enable_all()
            .build();
        built.map(Cmwq).map_err(|error| format!("cannot start {subject} ({error})").into())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = cmwq::spawn(future);
        async { handle.await.expect("tasks of a case do not panic") }
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        cmwq::time::sleep(duration)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        cmwq::task::yield_now()
    }

    fn stop(self) {
        self.0.shutdown_timeout(Duration::from_secs(1));
    }
}

/// Calls a function that is generic over the runtime for a subject: `on!(subject, f(args))` is
/// `f::<Tokio>(subject, args)` or `f::<Cmwq>(subject, args)`.
macro_rules! on {
    ($subject:expr, $function:ident($($argument:expr),*)) => {
        match $subject {
            $crate::subject::Subject::Tokio => {
                $function::<$crate::subject::Tokio>($subject, $($argument),*)
            }
            $crate::subject::Subject::Cmwq(_) => {
                $function::<$crate::subject::Cmwq>($subject, $($argument),*)
            }
        }
    };
}
pub(crate) use on;
