//! The folder with the database and the files that the servers read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::Result;

/// Rows of the table that reports scan: about 2.5 MB.
const READINGS: u32 = 20_000;
pub const FILES: usize = 16;
const FILE_BYTES: usize = 512 << 10;

pub struct Data {
    dir: TempDir,
}

impl Data {
    /// Makes a folder in `parent` and fills it. The folder goes away with the value.
    pub fn create(parent: Option<&Path>) -> Result<Data> {
        let parent = parent.map_or_else(default_parent, Path::to_path_buf);
        let dir = tempfile::Builder::new().prefix("cmwq-stall-").tempdir_in(&parent).map_err(
            |error| {
                let at = parent.display();
                format!("cannot make a folder in {at} ({error}): give a writable one by --dir PATH")
            },
        )?;
        let data = Data { dir };
        fill_files(data.path())?;
        fill_database(data.path())?;
        Ok(data)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// On a file system without a disk below it reads and fsync return at once.
    pub fn in_memory(&self) -> bool {
        const TMPFS_MAGIC: i64 = 0x0102_1994;
        rustix::fs::statfs(self.path()).is_ok_and(|fs| fs.f_type == TMPFS_MAGIC)
    }
}

/// `/tmp` is in memory on many machines, `/var/tmp` hardly ever.
fn default_parent() -> PathBuf {
    let on_disk = PathBuf::from("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && tempfile::tempfile_in(&on_disk).is_ok() {
        return on_disk;
    }
    std::env::temp_dir()
}

pub fn database(dir: &Path) -> PathBuf {
    dir.join("stall.db")
}

pub fn file(dir: &Path, i: usize) -> PathBuf {
    dir.join(format!("file-{i}"))
}

fn fill_files(dir: &Path) -> Result<()> {
    let content: Vec<u8> = (0..FILE_BYTES).map(|i| (i * 31 % 251) as u8).collect();
    for i in 0..FILES {
        let path = file(dir, i);
        fs::write(&path, &content)
            .and_then(|()| fs::File::open(&path)?.sync_all())
            .map_err(|error| format!("cannot write {} ({error})", path.display()))?;
    }
    Ok(())
}

fn fill_database(dir: &Path) -> Result<()> {
    let path = database(dir);
    let fill = || -> rusqlite::Result<()> {
        let mut db = Connection::open(&path)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE reading (id INTEGER PRIMARY KEY, station INTEGER, value REAL, note TEXT);
             CREATE TABLE purchase (id INTEGER PRIMARY KEY, item TEXT, amount INTEGER);",
        )?;
        let all = db.transaction()?;
        {
            let mut insert =
                all.prepare("INSERT INTO reading (station, value, note) VALUES (?1, ?2, ?3)")?;
            let note = "n".repeat(100);
            for i in 0..READINGS {
                insert.execute((i % 97, f64::from(i * 7919 % 10_007) / 100.0, &note))?;
            }
        }
        all.commit()?;
        // From the log into the file, so that the table can leave the page cache.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    };
    fill().map_err(|error| format!("cannot fill {} ({error})", path.display()).into())
}
