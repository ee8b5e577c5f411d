//! Instructions per operation under `valgrind --tool=callgrind`: no load on the machine disturbs
//! them, so they show what wall time hides.
//!
//! A child does `n` operations on a runtime of one worker, another one twice as many; the difference
//! is what `n` operations cost, without start and end. Each thread is counted for itself and the one
//! that executed most is taken, the worker: how often a monitor looks depends on time, and under
//! valgrind time is slow.

use std::{
    fs,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

use tempfile::TempDir;

use crate::{
    Result,
    case::Settings,
    child::{Job, Role, measured},
    cli::Options,
    contender::Contender::{self, *},
    micro::inside,
    on,
    report::table::{Style, format},
    runtimes::Runtime,
};

const OPERATIONS: u64 = 20_000;
/// cmwq with the detector that it takes by itself where its workers are pinned. The one by perf waits
/// in `io_uring_enter`, of which valgrind does not know that it blocks: the child would hang.
const CONTENDERS: [Contender; 4] = [Tokio, CmwqIdle, CmwqOff, Smol];

/// What is counted: its name and what one operation is.
const WORKS: [(&str, &str); 3] = [
    ("spawn", "spawn, run and join of an empty task"),
    ("wake", "a task wakes another one, which is polled"),
    ("yield", "yield_now in one of 8 tasks"),
];

/// Counts everything twice, to show that it repeats, and prints a table.
pub fn report(options: &Options) -> Result<()> {
    let contenders: Vec<_> =
        CONTENDERS.into_iter().filter(|it| options.runtimes.contains(&it.runtime())).collect();
    let mut head = vec![String::new()];
    head.extend(contenders.iter().map(|it| format!("{it}, twice")));
    let ratios: Vec<_> = [(CmwqIdle, Tokio), (CmwqIdle, CmwqOff)]
        .into_iter()
        .filter(|(ours, theirs)| contenders.contains(ours) && contenders.contains(theirs))
        .collect();
    head.extend(ratios.iter().map(|(ours, theirs)| format!("{ours} / {theirs}")));
    let mut rows = Vec::new();
    for (work, about) in WORKS {
        eprintln!("{work}");
        let mut cells = vec![format!("{work}: {about}")];
        let mut first = Vec::new();
        for contender in &contenders {
            let twice = [per_operation(*contender, work)?, per_operation(*contender, work)?];
            first.push((*contender, twice[0]));
            cells.push(format!("{:.1}, {:.1}", twice[0], twice[1]));
        }
        let of = |contender| first.iter().find(|(is, _)| *is == contender).map_or(0.0, |it| it.1);
        cells.extend(ratios.iter().map(|(ours, theirs)| format!("{:.3}", of(*ours) / of(*theirs))));
        rows.push(cells);
    }
    println!("Instructions per operation, one worker, {}", valgrind_version()?);
    println!("{}", format(Style::Terminal, 1, head.clone(), rows.clone()));
    fs::create_dir_all(&options.folder)?;
    let file = options.folder.join("instructions.md");
    fs::write(&file, format(Style::Markdown, 1, head, rows) + "\n")
        .map_err(|error| format!("cannot write {} ({error})", file.display()))?;
    Ok(())
}

fn valgrind_version() -> Result<String> {
    let output =
        std::process::Command::new("valgrind").arg("--version").output().map_err(|error| {
            format!("--instructions wants valgrind, which does not start ({error})")
        })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn per_operation(contender: Contender, work: &str) -> Result<f64> {
    let once = count(contender, work, OPERATIONS)?;
    let twice = count(contender, work, 2 * OPERATIONS)?;
    Ok((twice as f64 - once as f64) / OPERATIONS as f64)
}

/// Instructions of the busiest thread of a child.
fn count(contender: Contender, work: &str, operations: u64) -> Result<u64> {
    let folder = TempDir::new()?;
    let role = Role::Instructions { work: work.to_owned(), operations };
    let settings = Settings { quick: false, cores: 1 };
    let child = measured::command(&Job { contender, settings, role })?;
    let mut valgrind = std::process::Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--separate-threads=yes", "--quiet"])
        .arg(format!("--callgrind-out-file={}", folder.path().join("out").display()))
        .arg(child.get_program())
        .envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let status = valgrind.status().map_err(|error| format!("cannot start valgrind ({error})"))?;
    if !status.success() {
        return Err(format!("{work} of {contender} under valgrind ended with {status}").into());
    }
    busiest(folder.path())
}

/// callgrind writes a file for each thread, in which a line `totals:` or `summary:` has the count.
fn busiest(folder: &Path) -> Result<u64> {
    let mut most = None;
    for file in fs::read_dir(folder)? {
        let text = fs::read_to_string(file?.path())?;
        let total = |label: &str| {
            let line = text.lines().rev().find_map(|line| line.strip_prefix(label))?;
            line.trim().parse::<u64>().ok()
        };
        most = most.max(total("totals:").or_else(|| total("summary:")));
    }
    most.ok_or_else(|| "callgrind wrote no count".into())
}

/// The child's side.
pub fn run(contender: Contender, work: &str, operations: u64) -> Result<()> {
    on!(contender, operate(work, operations))
}

fn operate<R: Runtime>(contender: Contender, work: &str, operations: u64) -> Result<()> {
    let runtime = R::start(contender, 1)?;
    match work {
        "spawn" => inside(&runtime, spawn::<R>(operations)),
        "wake" => inside(&runtime, wake::<R>(operations)),
        "yield" => inside(&runtime, yields::<R>(operations)),
        _ => return Err(format!("there is no work `{work}`").into()),
    }
    // Nothing is measured any more.
    std::process::exit(0)
}

async fn spawn<R: Runtime>(operations: u64) {
    for _ in 0..operations {
        R::spawn(async {}).await;
    }
}

async fn yields<R: Runtime>(operations: u64) {
    const TASKS: u64 = 8;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            R::spawn(async move {
                for _ in 0..operations / TASKS {
                    R::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
}

/// Two tasks of which each wakes the other and waits.
async fn wake<R: Runtime>(operations: u64) {
    let seats: Arc<[Mutex<Option<Waker>>; 2]> = Arc::default();
    let tasks = [0, 1].map(|own| {
        let seats = seats.clone();
        let mut left = operations / 2;
        R::spawn(std::future::poll_fn(move |context| {
            let lock = |seat: usize| seats[seat].lock().unwrap_or_else(PoisonError::into_inner);
            if left > 0 {
                // In both runtimes the same: a waker that is there already is not cloned again.
                lock(own).get_or_insert_with(|| context.waker().clone());
            }
            let done = left == 0;
            left = left.saturating_sub(1);
            if let Some(other) = &*lock(1 - own) {
                other.wake_by_ref();
            }
            if done { Poll::Ready(()) } else { Poll::Pending }
        }))
    });
    for task in tasks {
        task.await;
    }
}
