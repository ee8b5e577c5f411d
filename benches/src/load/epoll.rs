//! A bare epoll loop per core: what an echo costs without a runtime. Also what the client waits on.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
    sync::Arc,
    thread,
};

use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
};

/// An epoll instance; any thread may add to it.
pub struct Poll(OwnedFd);

impl Poll {
    pub fn new() -> io::Result<Poll> {
        Ok(Poll(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Level-triggered readability.
    pub fn add(&self, source: impl AsFd, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.0, source, EventData::new_u64(key), EventFlags::IN)?)
    }

    /// Fills `events` with what can be read; with nothing after the timeout.
    pub fn wait(&self, events: &mut Vec<Event>, timeout: Option<&Timespec>) -> io::Result<()> {
        events.clear();
        match epoll::wait(&self.0, spare_capacity(events), timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Starts so many threads that echo; connections go to them in turn.
pub fn echo(listener: TcpListener, cores: usize) -> io::Result<()> {
    let mut polls = Vec::new();
    for _ in 0..cores {
        let poll = Arc::new(Poll::new()?);
        polls.push(poll.clone());
        thread::spawn(move || serve(&poll));
    }
    listener.set_nonblocking(false)?;
    thread::spawn(move || -> io::Result<()> {
        for poll in polls.iter().cycle() {
            let stream = listener.accept()?.0;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            poll.add(&stream, stream.as_raw_fd() as u64)?;
            // The loop owns it from here on, by its number.
            std::mem::forget(stream);
        }
        Ok(())
    });
    Ok(())
}

fn serve(poll: &Poll) -> io::Result<()> {
    let mut events = Vec::with_capacity(256);
    let mut buffer = vec![0; 16 << 10];
    loop {
        poll.wait(&mut events, None)?;
        for event in &events {
            // SAFETY: the acceptor gave this descriptor to this loop alone, and it is closed only
            // here, which also takes it out of the epoll.
            let mut stream = unsafe { TcpStream::from_raw_fd(event.data.u64() as RawFd) };
            match echo_once(&mut stream, &mut buffer) {
                Ok(true) => std::mem::forget(stream),
                // Its end, or its error: closed.
                Ok(false) | Err(_) => drop(stream),
            }
        }
    }
}

/// False at the end of the stream.
fn echo_once(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<bool> {
    let read = match stream.read(buffer) {
        Ok(0) => return Ok(false),
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
        Err(error) => return Err(error),
    };
    // The client waits for each answer, so the socket's buffer has room.
    stream.write_all(&buffer[..read])?;
    Ok(true)
}
