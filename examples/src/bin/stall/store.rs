//! What the handlers do while they block: rusqlite, `std::fs`, a blocking socket.
//!
//! Nothing here knows which runtime calls it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Advice, fadvise};

use crate::{Result, data, pool::Pool};

pub struct Store {
    dir: PathBuf,
    upstream: SocketAddr,
    readers: Pool<Connection>,
    /// SQLite takes one writer at a time, so there is one, behind an ordinary Mutex.
    writer: Mutex<Connection>,
    /// Only for its place in the page cache. Stays open: SQLite's locks belong to the process, and
    /// closing any descriptor of the file would drop them.
    database: File,
    neighbours: Pool<BufReader<TcpStream>>,
    next_file: AtomicUsize,
}

impl Store {
    pub fn open(dir: &Path, upstream: SocketAddr) -> Result<Store> {
        let path = data::database(dir);
        let writer = Connection::open(&path)?;
        // FULL: a commit waits for the disk.
        writer.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        Ok(Store {
            dir: dir.to_path_buf(),
            upstream,
            readers: Pool::new(),
            writer: Mutex::new(writer),
            database: File::open(path)?,
            neighbours: Pool::new(),
            next_file: AtomicUsize::new(0),
        })
    }

    /// Scans a table that is larger than its caches.
    pub fn report(&self) -> Result<String> {
        let db = self.readers.take(|| self.open_reader())?;
        let mut query = db.prepare_cached("SELECT count(*), avg(value) FROM reading")?;
        let (rows, mean): (u32, f64) = query.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        drop_cached(&self.database);
        Ok(format!("{rows} readings, mean {mean:.2}\n"))
    }

    fn open_reader(&self) -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(
            data::database(&self.dir),
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        // 64 KiB of SQLite's own cache: as with a table larger than memory, the scan reads the disk.
        db.pragma_update(None, "cache_size", -64)?;
        Ok(db)
    }

    /// Inserts a row; returns when the disk has it.
    pub fn order(&self) -> Result<String> {
        let db = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        db.prepare_cached("INSERT INTO purchase (item, amount) VALUES ('tea', 1)")?.execute([])?;
        Ok(format!("order {}\n", db.last_insert_rowid()))
    }

    /// Reads a file of 512 KiB that is not in the page cache.
    pub fn file(&self) -> Result<String> {
        let i = self.next_file.fetch_add(1, Ordering::Relaxed) % data::FILES;
        let mut file = File::open(data::file(&self.dir, i))?;
        let mut content = Vec::new();
        io::Read::read_to_end(&mut file, &mut content)?;
        drop_cached(&file);
        Ok(format!("{} bytes\n", content.len()))
    }

    /// Asks the slow neighbour by a client library that knows nothing of async.
    pub fn upstream(&self) -> Result<String> {
        let mut neighbour = self.neighbours.take(|| self.connect())?;
        let mut answer = String::new();
        let asked = neighbour
            .get_mut()
            .write_all(b"how are you\n")
            .and_then(|()| neighbour.read_line(&mut answer));
        match asked {
            Ok(0) => {
                neighbour.discard();
                Err("the neighbour closed the connection".into())
            }
            Ok(_) => Ok(answer),
            Err(error) => {
                neighbour.discard();
                Err(format!("the neighbour did not answer ({error})").into())
            }
        }
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.upstream)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(BufReader::new(stream))
    }
}

/// Lets go of the file's clean pages, so that the next read waits for the disk. Only advice: where
/// it does nothing, reads are fast for all variants.
fn drop_cached(file: &File) {
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}
