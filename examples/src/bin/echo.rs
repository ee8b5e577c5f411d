//! A TCP server that sends back what it receives.
//!
//! `cargo run --release -p cmwq-examples --bin echo -- 127.0.0.1:7000` serves until it is stopped.
//! Without an address it serves on a free port, talks to itself once and ends.

use std::io;

use cmwq::net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[cmwq::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let local = listener.local_addr()?;
    println!("listening on {local}");
    let server = cmwq::spawn(serve(listener));

    match address {
        Some(_) => server.await?,
        None => talk(local).await,
    }
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        cmwq::spawn(async move {
            match echo(stream).await {
                Ok(bytes) => println!("{peer}: {bytes} bytes"),
                Err(error) => eprintln!("{peer}: {error}"),
            }
        });
    }
}

/// Until the client says no more. Returns the number of bytes.
async fn echo(mut stream: TcpStream) -> io::Result<u64> {
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await
}

async fn talk(server: std::net::SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(b"is anybody there?").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("the echo: {answer}");
    assert_eq!(answer, "is anybody there?");
    Ok(())
}
