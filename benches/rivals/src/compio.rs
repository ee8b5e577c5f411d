//! compio on io_uring.

use std::{io, net};

use compio::{
    buf::BufResult,
    io::{AsyncRead, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Runtime, RuntimeBuilder},
};

use crate::BUFFER;

pub fn serve(core: usize, listener: net::TcpListener) -> io::Result<()> {
    let runtime: Runtime = RuntimeBuilder::new().thread_affinity([core].into()).build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            compio::runtime::spawn(echo(stream)).detach();
        }
    })
}

/// The end of the stream or its error ends the connection.
async fn echo(mut stream: TcpStream) {
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        let BufResult(read, filled) = stream.read(buffer).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        let BufResult(written, mut rest) = stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        rest.clear();
        buffer = rest;
    }
}
