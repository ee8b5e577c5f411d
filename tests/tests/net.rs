//! TCP through the runtime.

use cmwq::net::{TcpListener, TcpSocket, TcpStream};
use cmwq_tests::{Case, Watchdog, case, every_case, finish, run};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback listener");
    let addr = listener.local_addr().expect("a bound address");
    (listener, addr)
}

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let (listener, addr) = listener().await;
    let (client, server) = cmwq::join!(TcpStream::connect(addr), listener.accept());
    (client.expect("connect"), server.expect("accept").0)
}

async fn echo(mut stream: TcpStream) {
    let mut buf = [0; 1024];
    loop {
        match stream.read(&mut buf).await {
            Ok(0) | Err(_) => return,
            Ok(n) => stream.write_all(&buf[..n]).await.expect("the client reads"),
        }
    }
}

every_case! {
    fn two_hundred_connections(case) {
        let runtime = case.start(case::cores());
        let (addr_tx, addr) = mpsc::channel();
        runtime.spawn(async move {
            let (listener, addr) = listener().await;
            addr_tx.send(addr).expect("the test waits");
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                cmwq::spawn(echo(stream));
            }
        });
        let addr = addr.recv().expect("the listener starts");
        let clients: Vec<_> = (0..200_u32)
            .map(|client| {
                runtime.spawn(async move {
                    let mut stream = TcpStream::connect(addr).await.expect("connect");
                    for round in 0..10_u32 {
                        let message = (client << 8 | round).to_le_bytes();
                        stream.write_all(&message).await.expect("write");
                        let mut answer = [0; 4];
                        stream.read_exact(&mut answer).await.expect("read");
                        assert_eq!(answer, message);
                    }
                })
            })
            .collect();
        for client in clients {
            finish(client).expect("no panic");
        }
    }

    /// More than any buffer between the two ends holds, in both directions at once.
    fn bulk(case) {
        const SIZE: usize = 8 << 20;
        let runtime = case.start(case::cores());
        let task = runtime.spawn(async {
            let (a, b) = pair().await;
            let (mut a_read, mut a_write) = a.into_split();
            let (mut b_read, mut b_write) = b.into_split();
            let data: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
            let copy = data.clone();
            let there = cmwq::spawn(async move {
                a_write.write_all(&copy).await.expect("write");
                a_write.shutdown().await.expect("shutdown");
            });
            let back = cmwq::spawn(async move {
                // Echoed as it comes, until the end.
                let mut buf = vec![0; 1 << 16];
                loop {
                    let n = b_read.read(&mut buf).await.expect("read");
                    if n == 0 {
                        break;
                    }
                    b_write.write_all(&buf[..n]).await.expect("write");
                }
                b_write.shutdown().await.expect("shutdown");
            });
            let mut received = Vec::with_capacity(SIZE);
            a_read.read_to_end(&mut received).await.expect("read");
            there.await.expect("no panic");
            back.await.expect("no panic");
            assert!(received == data, "{} bytes came back", received.len());
        });
        finish(task).expect("no panic");
    }

    /// A std peer on threads of its own: everything comes from outside.
    fn with_std_clients(case) {
        let runtime = case.start(1);
        let (addr_tx, addr) = mpsc::channel();
        runtime.spawn(async move {
            let (listener, addr) = listener().await;
            addr_tx.send(addr).expect("the test waits");
            loop {
                cmwq::spawn(echo(listener.accept().await.expect("a connection").0));
            }
        });
        let addr = addr.recv().expect("the listener starts");
        let clients: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut stream = std::net::TcpStream::connect(addr).expect("connect");
                    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("option");
                    for n in 0..200_u32 {
                        stream.write_all(&n.to_le_bytes()).expect("write");
                        let mut answer = [0; 4];
                        stream.read_exact(&mut answer).expect("read");
                        assert_eq!(u32::from_le_bytes(answer), n);
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().expect("every answer comes");
        }
    }
}

#[cmwq::test]
async fn split_halves() {
    let _watchdog = Watchdog::start("split_halves");
    let (mut a, mut b) = pair().await;
    {
        let (mut read, mut write) = a.split();
        let (sent, received) = cmwq::join!(write.write_all(b"ping"), async {
            let mut buf = [0; 4];
            b.read_exact(&mut buf).await.expect("read");
            b.write_all(b"pong").await.expect("write");
            buf
        });
        sent.expect("write");
        assert_eq!(&received, b"ping");
        let mut buf = [0; 4];
        read.read_exact(&mut buf).await.expect("read");
        assert_eq!(&buf, b"pong");
    }
    // The stream is whole again.
    a.write_all(b"x").await.expect("write");
}

#[cmwq::test]
async fn owned_halves() {
    let _watchdog = Watchdog::start("owned_halves");
    let (a, mut b) = pair().await;
    let (c, _d) = pair().await;
    let (read, write) = a.into_split();
    let (other_read, other_write) = c.into_split();
    // Halves of two connections do not fit.
    let error = read.reunite(other_write).expect_err("of two connections");
    let (read, other_write) = (error.0, error.1);
    let whole = read.reunite(write).expect("of one connection");
    other_read.reunite(other_write).expect("of one connection");
    // Dropping the writing half closes that direction only.
    let (mut read, write) = whole.into_split();
    drop(write);
    assert_eq!(b.read(&mut [0; 4]).await.expect("read"), 0);
    b.write_all(b"still").await.expect("write");
    let mut buf = [0; 5];
    read.read_exact(&mut buf).await.expect("read");
    assert_eq!(&buf, b"still");
}

#[cmwq::test]
async fn peek() {
    let _watchdog = Watchdog::start("peek");
    let (mut a, mut b) = pair().await;
    b.write_all(b"abc").await.expect("write");
    let mut buf = [0; 8];
    for _ in 0..3 {
        assert_eq!(a.peek(&mut buf).await.expect("peek"), 3);
        assert_eq!(&buf[..3], b"abc");
    }
    assert_eq!(a.read(&mut buf).await.expect("read"), 3);
    let nothing = a.peek(&mut buf);
    cmwq::time::timeout(Duration::from_millis(5), nothing).await.expect_err("nothing is there");
}

#[cmwq::test]
async fn readiness() {
    let _watchdog = Watchdog::start("readiness");
    let (a, b) = pair().await;
    a.writable().await.expect("ready");
    let error = a.try_read(&mut [0; 4]).expect_err("nothing is there");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(b.try_write(b"four").expect("write"), 4);
    a.readable().await.expect("ready");
    // Readiness may be a false alarm, never a missed one.
    let mut buf = [0; 8];
    let n = loop {
        match a.try_read(&mut buf) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => a.readable().await.expect("ready"),
            result => break result.expect("read"),
        }
    };
    assert_eq!(&buf[..n], b"four");
    drop(b);
    a.readable().await.expect("ready");
    assert_eq!(a.try_read(&mut buf).expect("read"), 0);
}

#[cmwq::test]
async fn timeouts() {
    let _watchdog = Watchdog::start("timeouts");
    let (mut a, mut b) = pair().await;
    let mut buf = [0; 4];
    // A read that is given up loses nothing.
    for _ in 0..5 {
        let read = a.read(&mut buf);
        cmwq::time::timeout(Duration::from_millis(2), read).await.expect_err("nothing comes");
    }
    b.write_all(b"late").await.expect("write");
    let read = a.read_exact(&mut buf);
    cmwq::time::timeout(Duration::from_secs(20), read).await.expect("in time").expect("read");
    assert_eq!(&buf, b"late");

    let (listener, addr) = listener().await;
    let accept = listener.accept();
    cmwq::time::timeout(Duration::from_millis(2), accept).await.expect_err("nobody connects");
    let client = TcpStream::connect(addr).await.expect("connect");
    let (_, peer) = listener.accept().await.expect("accept");
    assert_eq!(peer, client.local_addr().expect("bound"));
}

#[cmwq::test]
async fn refused_connection() {
    let _watchdog = Watchdog::start("refused_connection");
    let (listener, addr) = listener().await;
    drop(listener);
    let error = TcpStream::connect(addr).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[cmwq::test]
async fn options() {
    let _watchdog = Watchdog::start("options");
    let (a, _b) = pair().await;
    a.set_nodelay(true).expect("TCP_NODELAY");
    assert!(a.nodelay().expect("TCP_NODELAY"));
    a.set_ttl(33).expect("IP_TTL");
    assert_eq!(a.ttl().expect("IP_TTL"), 33);
    assert!(a.take_error().expect("SO_ERROR").is_none());
    let peer = a.peer_addr().expect("connected");
    assert!(peer.ip().is_loopback());

    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("SO_REUSEADDR");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bind");
    let listener = socket.listen(16).expect("listen");
    let addr = listener.local_addr().expect("bound");
    let socket = TcpSocket::new_v4().expect("a socket");
    let (connected, accepted) = cmwq::join!(socket.connect(addr), listener.accept());
    connected.expect("connect");
    accepted.expect("accept");
}

#[cmwq::test]
async fn std_and_back() {
    let _watchdog = Watchdog::start("std_and_back");
    let (listener, addr) = listener().await;
    let std = std::net::TcpStream::connect(addr).expect("connect");
    std.set_nonblocking(true).expect("O_NONBLOCK");
    let mut ours = TcpStream::from_std(std).expect("registered");
    let (mut server, _) = listener.accept().await.expect("accept");
    ours.write_all(b"one").await.expect("write");
    let mut buf = [0; 3];
    server.read_exact(&mut buf).await.expect("read");
    let mut std = ours.into_std().expect("deregistered");
    std.set_nonblocking(false).expect("O_NONBLOCK");
    std.write_all(b"two").expect("write");
    server.read_exact(&mut buf).await.expect("read");
    assert_eq!(&buf, b"two");
    let std = listener.into_std().expect("deregistered");
    assert_eq!(std.local_addr().expect("bound"), addr);
}

/// A socket that registered on one runtime is read in a task of another.
#[test]
fn between_runtimes() {
    run("between_runtimes", || {
        let (first, second) = (Case::Auto.start(1), Case::Auto.start(1));
        let (mut a, mut b) = finish(first.spawn(pair())).expect("no panic");
        let task = second.spawn(async move {
            let mut buf = [0; 4];
            a.read_exact(&mut buf).await.expect("read");
            a.write_all(&buf).await.expect("write");
        });
        let answer = first.spawn(async move {
            cmwq::time::sleep(Duration::from_millis(2)).await;
            b.write_all(b"over").await.expect("write");
            let mut buf = [0; 4];
            b.read_exact(&mut buf).await.expect("read");
            buf
        });
        assert_eq!(&finish(answer).expect("no panic"), b"over");
        finish(task).expect("no panic");
    });
}

/// After the runtime is gone its sockets answer with errors, and nothing hangs.
#[test]
fn after_the_runtime() {
    run("after_the_runtime", || {
        let (first, second) = (Case::Auto.start(1), Case::Auto.start(1));
        let (mut a, _b) = finish(first.spawn(async {
            let (mut a, b) = pair().await;
            let nothing = a.read_u8();
            cmwq::time::timeout(Duration::from_millis(1), nothing).await.expect_err("nothing");
            (a, b)
        }))
        .expect("no panic");
        drop(first);
        let read = finish(second.spawn(async move { a.read_u8().await })).expect("no panic");
        let error = read.expect_err("its driver is gone");
        assert!(error.to_string().contains("runtime"), "{error}");
    });
}

#[test]
#[should_panic(expected = "runtime")]
fn without_a_runtime() {
    drop(futures::executor::block_on(TcpListener::bind("127.0.0.1:0")));
}
