//! An HTTP server: hyper on cmwq, HTTP/1.1 and HTTP/2 on one port, with a handler that blocks.
//!
//! `cargo run --release -p cmwq-examples --bin http -- 127.0.0.1:8080` serves until it is stopped.
//! Without an address it serves on a free port, asks itself for two paths and ends.

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    time::{Duration, Instant},
};

use cmwq::{
    hyper::{Executor, Timer},
    net::{TcpListener, TcpStream},
};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http2,
    service::service_fn,
};
use hyper_util::{rt::TokioIo, server::conn::auto};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[cmwq::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let local = listener.local_addr()?;
    println!("listening on http://{local}; try /, /slow and /os");
    let server = cmwq::spawn(serve(listener));

    match address {
        Some(_) => server.await?,
        None => ask_myself(local).await,
    }
}

async fn serve(listener: TcpListener) -> Result<()> {
    // The executor starts the streams of HTTP/2, the timer ends connections that send no request.
    let mut builder = auto::Builder::new(Executor::new());
    builder.http1().timer(Timer::new()).header_read_timeout(Duration::from_secs(10));
    builder.http2().timer(Timer::new()).keep_alive_interval(Duration::from_secs(30));
    loop {
        let (stream, peer) = listener.accept().await?;
        let builder = builder.clone();
        cmwq::spawn(async move {
            let served = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
            if let Err(error) = served.await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match request.uri().path() {
        "/" => (StatusCode::OK, "hello\n".into()),
        "/slow" => {
            // Blocks the thread. This connection waits, all others go on.
            std::thread::sleep(Duration::from_millis(100));
            (StatusCode::OK, "sorry for the wait\n".into())
        }
        "/os" => match std::fs::read_to_string("/etc/os-release") {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("/etc/os-release: {error}\n"))
            }
        },
        path => (StatusCode::NOT_FOUND, format!("nothing at {path}\n")),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

/// `/slow` and `/` at once: the answer to the second does not wait for the first.
async fn ask_myself(server: SocketAddr) -> Result<()> {
    let start = Instant::now();
    let slow = cmwq::spawn(get(server, "/slow"));
    cmwq::time::sleep(Duration::from_millis(10)).await;
    let quick = cmwq::spawn(get(server, "/"));
    println!("{:?} after {} ms", quick.await??, start.elapsed().as_millis());
    println!("{:?} after {} ms", slow.await??, start.elapsed().as_millis());
    Ok(())
}

async fn get(server: SocketAddr, path: &'static str) -> Result<String> {
    let stream = TcpStream::connect(server).await?;
    let (mut requests, connection) =
        http2::Builder::new(Executor::new()).handshake(TokioIo::new(stream)).await?;
    cmwq::spawn(connection);
    let request = Request::get(format!("http://{server}{path}")).body(Empty::<Bytes>::new())?;
    let answer = requests.send_request(request).await?.into_body().collect().await?;
    Ok(String::from_utf8(answer.to_bytes().into())?)
}
