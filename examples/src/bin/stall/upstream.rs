//! The slow neighbour: answers each line after a while.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// Starts it on a free port of loopback, with a thread for each connection. It ends with the
/// process, a connection when the other side closes it.
pub fn start(takes: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("neighbour".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that gets no thread is closed; its client reports that.
            let _ = thread::Builder::new()
                .name("neighbour".into())
                .stack_size(64 << 10)
                .spawn(move || answer(stream, takes));
        }
    })?;
    Ok(address)
}

fn answer(stream: TcpStream, takes: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        thread::sleep(takes);
        lines.get_mut().write_all(b"well, thank you\n")?;
        line.clear();
    }
    Ok(())
}
