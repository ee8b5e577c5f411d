//! hyper on this runtime: servers and clients of both protocols over loopback, with timeouts.

use cmwq::hyper::{Executor, Timer};
use cmwq::net::{TcpListener, TcpStream};
use cmwq::time;
use cmwq_tests::{Case, Running, every_case, finish, run};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Executor as _, Timer as _};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

/// Answers `/wait` by a call that blocks until somebody else has asked for `/go`.
struct Service {
    go: Sender<()>,
    gone: Mutex<Receiver<()>>,
}

impl Service {
    fn new() -> Arc<Self> {
        let (go, gone) = channel();
        Arc::new(Self { go, gone: Mutex::new(gone) })
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let answer = match request.uri().path() {
            "/wait" => {
                let gone = self.gone.lock().expect("one waits at a time");
                gone.recv().expect("the sender is in `self`");
                Bytes::from("waited")
            }
            "/go" => {
                self.go.send(()).expect("the receiver is in `self`");
                Bytes::from("went")
            }
            _ => {
                // What the client has sent, and a while later.
                let body = request.into_body().collect().await.expect("a whole body").to_bytes();
                time::sleep(Duration::from_millis(1)).await;
                body
            }
        };
        Ok(Response::new(Full::new(answer)))
    }
}

/// Serves on a port of its own, all connections in tasks of one core.
fn serve(runtime: &Running, protocol: Protocol, header_timeout: Duration) -> SocketAddr {
    let bound = runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback listener");
        let address = listener.local_addr().expect("a bound address");
        cmwq::spawn(accept(listener, protocol, header_timeout));
        address
    });
    finish(bound).expect("no panic")
}

async fn accept(listener: TcpListener, protocol: Protocol, header_timeout: Duration) {
    let service = Service::new();
    loop {
        let (stream, _) = listener.accept().await.expect("descriptors are left");
        let (io, service) = (TokioIo::new(stream), service.clone());
        let service = service_fn(move |request| service.clone().answer(request));
        // Errors are the client's, who goes when it likes.
        match protocol {
            Protocol::Http1 => {
                let mut server = hyper::server::conn::http1::Builder::new();
                server.timer(Timer::new()).header_read_timeout(header_timeout);
                let connection = server.serve_connection(io, service);
                cmwq::spawn(async move { drop(connection.await) });
            }
            Protocol::Http2 => {
                let mut server = hyper::server::conn::http2::Builder::new(Executor::new());
                server.timer(Timer::new()).keep_alive_interval(Duration::from_millis(5));
                let connection = server.serve_connection(io, service);
                cmwq::spawn(async move { drop(connection.await) });
            }
        }
    }
}

/// One request on a connection of its own.
async fn ask(address: SocketAddr, protocol: Protocol, path: &str, body: &str) -> Bytes {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let request = Request::post(format!("http://{address}{path}"));
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).expect("a request");
    let io = TokioIo::new(stream);
    let response = match protocol {
        Protocol::Http1 => {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.expect("a handshake");
            cmwq::spawn(connection);
            sender.send_request(request).await
        }
        Protocol::Http2 => {
            let mut client = hyper::client::conn::http2::Builder::new(Executor::new());
            client.timer(Timer::new()).keep_alive_interval(Duration::from_millis(5));
            let (mut sender, connection) = client.handshake(io).await.expect("a handshake");
            cmwq::spawn(connection);
            sender.send_request(request).await
        }
    };
    let response = response.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];
const LONG: Duration = Duration::from_secs(60);

every_case! {
    /// Clients and server share one core.
    fn echoes(case) {
        let runtime = case.start(1);
        for protocol in PROTOCOLS {
            let address = serve(&runtime, protocol, LONG);
            let clients: Vec<_> = (0..20)
                .map(|n| {
                    runtime.spawn(async move {
                        let text = format!("client {n}").repeat(1000 * n);
                        assert_eq!(ask(address, protocol, "/echo", &text).await, text);
                    })
                })
                .collect();
            clients.into_iter().for_each(|client| finish(client).expect("the right echo"));
        }
    }

    /// A handler blocks until another connection's handler has run on the same core.
    fn handler_that_blocks(case) {
        let runtime = case.start(1);
        for protocol in PROTOCOLS {
            let address = serve(&runtime, protocol, LONG);
            let waiting = runtime.spawn(async move { ask(address, protocol, "/wait", "").await });
            let going = runtime.spawn(async move { ask(address, protocol, "/go", "").await });
            assert_eq!(finish(going).expect("no panic"), "went", "{protocol:?}");
            assert_eq!(finish(waiting).expect("no panic"), "waited", "{protocol:?}");
        }
    }

    /// hyper's own timeout ends a connection whose head never comes, not before its time.
    fn header_timeout(case) {
        let runtime = case.start(1);
        // It holds for the client that is in time too.
        let timeout = Duration::from_secs(1);
        let address = serve(&runtime, Protocol::Http1, timeout);
        let start = Instant::now();
        let mut slow = std::net::TcpStream::connect(address).expect("the server listens");
        slow.write_all(b"GET / HTTP/1.1\r\nHo").expect("the connection stands");
        let other = finish(runtime.spawn(async move {
            ask(address, Protocol::Http1, "/echo", "in time").await
        }));
        assert_eq!(other.expect("no panic"), "in time");
        slow.set_read_timeout(Some(Duration::from_secs(30))).expect("a valid timeout");
        // An answer that says why, or none; then the end.
        let ended = slow.read_to_end(&mut Vec::new());
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(ended.as_ref().map_or_else(reset, |_| true), "{ended:?}");
        assert!(start.elapsed() >= timeout);
    }
}

/// The timer follows the runtime's clock, and a sleep can be put off and brought forward.
#[test]
fn timer() {
    run("timer", || {
        let mut builder = Case::CurrentThread.builder(1);
        let runtime = builder.start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let (timer, start) = (Timer::new(), Timer::new().now());
            let hours = |hours: u64| start + Duration::from_secs(3600 * hours);
            timer.sleep(Duration::from_secs(3600)).await;
            assert!(timer.now() >= hours(1));
            timer.sleep_until(hours(2)).await;
            assert!(timer.now() >= hours(2) && timer.now() < hours(3));
            let mut sleep = timer.sleep_until(hours(3));
            timer.reset(&mut sleep, hours(5));
            sleep.await;
            assert!(timer.now() >= hours(5));
            let mut sleep = timer.sleep_until(hours(100));
            timer.reset(&mut sleep, hours(6));
            sleep.await;
            assert!(timer.now() >= hours(6) && timer.now() < hours(7));
        });
    });
}

/// What hyper starts is a task of the current runtime.
#[test]
fn executor() {
    run("executor", || {
        let runtime = Case::Auto.start(1);
        let (send, receive) = cmwq::sync::oneshot::channel();
        runtime.block_on(async {
            Executor::new().execute(async { send.send(cmwq::task::try_id()) });
        });
        assert!(finish(receive).expect("it runs").is_some(), "not in a task");
        let outside = std::panic::catch_unwind(|| Executor::new().execute(async {}));
        outside.expect_err("there is no runtime here");
    });
}
