//! monoio on io_uring.

use std::{io, net};

use monoio::{
    FusionDriver, RuntimeBuilder,
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::{TcpListener, TcpStream},
};

use crate::BUFFER;

pub fn serve(core: usize, listener: net::TcpListener) -> io::Result<()> {
    // A CPU that this process may not use leaves the thread where it is.
    let _ = monoio::utils::bind_to_cpu_set([core]);
    let mut runtime = RuntimeBuilder::<FusionDriver>::new().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            monoio::spawn(echo(stream));
        }
    })
}

/// The end of the stream or its error ends the connection.
async fn echo(mut stream: TcpStream) {
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        let (read, filled) = stream.read(buffer).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        let (written, mut rest) = stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        rest.clear();
        buffer = rest;
    }
}
