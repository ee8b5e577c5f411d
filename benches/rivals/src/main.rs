//! Echo servers on runtimes with one thread per core: `rivals RUNTIME CORES` says its port on stdout
//! and echoes until stdin ends.
//!
//! Each thread is pinned to a core and has a listener of its own on the same port (SO_REUSEPORT), as
//! these runtimes are meant to be used: the kernel deals out the connections.

mod compio;
mod glommio;
mod monoio;

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    thread,
};

use socket2::{Domain, Socket, Type};

/// Bytes that are read at once, as in the other servers.
pub const BUFFER: usize = 16 << 10;

/// Serves on this thread, which is to be pinned to that core, until the process ends.
type Serve = fn(core: usize, listener: TcpListener) -> io::Result<()>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rivals: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let usage = || io::Error::other("usage: rivals monoio|glommio|compio CORES");
    let mut words = std::env::args().skip(1);
    let serve: Serve = match words.next().as_deref() {
        Some("monoio") => monoio::serve,
        Some("glommio") => glommio::serve,
        Some("compio") => compio::serve,
        _ => return Err(usage()),
    };
    let cores = words.next().and_then(|word| word.parse().ok()).ok_or_else(usage)?;
    let first = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    while listeners.len() < cores {
        listeners.push(listen(address)?);
    }
    for (core, listener) in listeners.into_iter().enumerate() {
        thread::spawn(move || {
            if let Err(error) = serve(core, listener) {
                eprintln!("rivals: {error}");
                std::process::exit(1);
            }
        });
    }
    println!("{}", address.port());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}
