//! glommio on its own rings.

use std::{
    io, net,
    os::fd::{FromRawFd, IntoRawFd},
};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::{
    LocalExecutorBuilder, Placement,
    net::{TcpListener, TcpStream},
};

use crate::BUFFER;

pub fn serve(core: usize, listener: net::TcpListener) -> io::Result<()> {
    let executor = LocalExecutorBuilder::new(Placement::Fixed(core)).make()?;
    executor.run(async {
        // Inside, since it registers with this executor's ring.
        // SAFETY: the descriptor is given away here, once.
        let listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
        loop {
            let stream = listener.accept().await?;
            stream.set_nodelay(true)?;
            glommio::spawn_local(echo(stream)).detach();
        }
    })
}

/// The end of the stream or its error ends the connection.
async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
