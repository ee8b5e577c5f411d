//! Servers on a runtime.

use std::{convert::Infallible, net::TcpListener};

use http_body_util::Full;
use hyper::{Request, Response, body, body::Bytes, server::conn::http1, service::service_fn};

use super::{epoll, protocol::BODY};
use crate::{Result, contender::Contender, on, runtimes::Net};

/// Starts an echo server, has `announce` tell its port and wait.
pub fn echo(contender: Contender, cores: usize, announce: fn(u16) -> Result<()>) -> Result<()> {
    match contender {
        Contender::Epoll => {
            let (listener, port) = bind()?;
            epoll::echo(listener, cores)?;
            announce(port)
        }
        _ => on!(contender, echo_on(cores, announce)),
    }
}

/// The same for HTTP/1.1 by hyper.
pub fn http(contender: Contender, cores: usize, announce: fn(u16) -> Result<()>) -> Result<()> {
    on!(contender, http_on(cores, announce))
}

fn bind() -> Result<(TcpListener, u16)> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .map_err(|error| format!("cannot listen on 127.0.0.1 ({error})"))?;
    // All clients connect at once; one that finds the line full tries again after a second.
    rustix::net::listen(&listener, 1024)?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

fn echo_on<R: Net>(
    contender: Contender,
    cores: usize,
    announce: fn(u16) -> Result<()>,
) -> Result<()> {
    let (listener, port) = bind()?;
    let runtime = R::start(contender, cores)?;
    R::spawn_on(
        &runtime.handle(),
        accept::<R, _>(listener, |mut stream| async move {
            let mut buffer = vec![0; 16 << 10];
            // The end of the stream or its error ends the connection.
            while let Ok(read @ 1..) = R::read(&mut stream, &mut buffer).await {
                if R::write_all(&mut stream, &buffer[..read]).await.is_err() {
                    break;
                }
            }
        }),
    );
    announce(port)
}

fn http_on<R: Net>(
    contender: Contender,
    cores: usize,
    announce: fn(u16) -> Result<()>,
) -> Result<()> {
    let (listener, port) = bind()?;
    let runtime = R::start(contender, cores)?;
    R::spawn_on(
        &runtime.handle(),
        accept::<R, _>(listener, |stream| async move {
            let page = service_fn(|_: Request<body::Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(BODY))))
            });
            // The client sees an error of the connection too.
            let _ = http1::Builder::new().serve_connection(R::hyper(stream), page).await;
        }),
    );
    announce(port)
}

/// A task for each connection.
async fn accept<R: Net, F>(listener: TcpListener, serve: impl Fn(R::Stream) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut listener = match R::listen(listener) {
        Ok(listener) => listener,
        Err(error) => return eprintln!("cmwq-benches: cannot listen ({error})"),
    };
    loop {
        match R::accept(&mut listener).await {
            Ok(stream) => {
                // Without it an answer waits for the client's acknowledgement, as anywhere else.
                let _ = R::set_nodelay(&stream);
                R::detach(serve(stream));
            }
            Err(error) => return eprintln!("cmwq-benches: cannot accept ({error})"),
        }
    }
}
