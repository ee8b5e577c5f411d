//! TCP sockets, on the traits of `futures` and through their own methods.

mod support;

use cmwq_io::budget::{self, Budget};
use cmwq_io::io::Interest;
use cmwq_io::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use futures::future::{join, join_all};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;
use support::{DriverThread, block_on, std_pair};

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (client, accepted) = join(TcpStream::connect(addr), listener.accept()).await;
    let (client, (server, peer)) = (client.unwrap(), accepted.unwrap());
    assert_eq!(client.local_addr().unwrap(), peer);
    assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    (client, server)
}

async fn echo(mut stream: TcpStream) -> io::Result<usize> {
    let mut buf = [0; 1024];
    let mut sum = 0;
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(sum),
            n => stream.write_all(&buf[..n]).await?,
        }
        sum += 1;
    }
}

#[test]
fn futures_may_move_between_threads() {
    fn send<T: Send>(_: &T) {}
    block_on(async {
        let (client, server) = pair().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        send(&TcpListener::bind("localhost:0"));
        send(&TcpStream::connect("localhost:0"));
        send(&listener.accept());
        send(&client.ready(Interest::READABLE));
        send(&client.peek(&mut [0]));
        send(&server.async_io(Interest::READABLE, || Ok(())));
        send(&lookup_host("localhost:0"));
    });
}

#[test]
fn an_echo() {
    block_on(async {
        let (mut client, server) = pair().await;
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let talk = async {
            for round in 0..100u8 {
                let message = vec![round; 1 + 37 * round as usize];
                client.write_all(&message).await.unwrap();
                let mut answer = vec![0; message.len()];
                client.read_exact(&mut answer).await.unwrap();
                assert_eq!(answer, message);
            }
            client.close().await.unwrap();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        };
        let (rounds, ()) = join(echo(server), talk).await;
        assert!(rounds.unwrap() >= 100);
    });
}

#[test]
fn many_sockets_on_many_threads() {
    let driver = DriverThread::start();
    let listener = driver.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            driver.block_on(async {
                let streams = join_all((0..200).map(|_| listener.accept())).await;
                join_all(streams.into_iter().map(|accepted| echo(accepted.unwrap().0))).await
            })
        });
        for _ in 0..2 {
            scope.spawn(|| {
                driver.block_on(join_all((0..100).map(|_| async {
                    let mut stream = TcpStream::connect(addr).await.unwrap();
                    for round in 0..20u8 {
                        stream.write_all(&[round; 50]).await.unwrap();
                        let mut answer = [0; 50];
                        stream.read_exact(&mut answer).await.unwrap();
                        assert_eq!(answer, [round; 50]);
                    }
                })))
            });
        }
    });
}

#[test]
fn a_large_transfer_waits_for_room() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let data: Vec<u8> = (0..8 << 20).map(|i: u32| (i % 251) as u8).collect();
        let send = async {
            client.write_all(&data).await.unwrap();
            client.close().await.unwrap();
        };
        let mut received = Vec::new();
        join(send, async { server.read_to_end(&mut received).await.unwrap() }).await;
        assert!(received == data);
    });
}

#[test]
fn more_buffers_than_one_call_takes() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let data = [7; 3000];
        let slices: Vec<_> = data.chunks(1).map(IoSlice::new).collect();
        let mut received = vec![0; data.len()];
        let send = async {
            let mut sent = 0;
            while sent < data.len() {
                sent += client.write_vectored(&slices[sent..]).await.unwrap();
            }
        };
        join(send, async { server.read_exact(&mut received).await.unwrap() }).await;
        assert_eq!(received, data);
    });
}

#[test]
fn vectored() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let sent = client.write_vectored(&[IoSlice::new(b"hello "), IoSlice::new(b"world")]).await;
        assert_eq!(sent.unwrap(), 11);
        let (mut a, mut b) = ([0; 4], [0; 20]);
        let mut bufs = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!(server.read_vectored(&mut bufs).await.unwrap(), 11);
        assert_eq!((&a[..], &b[..7]), (&b"hell"[..], &b"o world"[..]));
        assert_eq!(client.try_write_vectored(&[IoSlice::new(b"x")]).unwrap(), 1);
        server.readable().await.unwrap();
        let mut byte = [0];
        let read = server.try_read_vectored(&mut [IoSliceMut::new(&mut byte)]).unwrap();
        assert_eq!((read, byte), (1, *b"x"));
    });
}

#[test]
fn an_empty_buffer_asks_whether_there_is_something() {
    block_on(async {
        let (client, mut server) = pair().await;
        let nothing = client.try_read(&mut []).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        server.write_all(b"x").await.unwrap();
        assert_eq!(client.peek(&mut []).await.unwrap(), 0);
        assert_eq!(client.try_read(&mut []).unwrap(), 0);
        assert_eq!(client.try_read(&mut [0]).unwrap(), 1);
    });
}

#[test]
fn peek_leaves_the_data() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let mut buf = [0; 16];
        let (peeked, _) = join(server.peek(&mut buf), client.write_all(b"data")).await;
        assert_eq!((peeked.unwrap(), &buf[..4]), (4, &b"data"[..]));
        assert_eq!(server.peek(&mut buf).await.unwrap(), 4);
        assert_eq!(server.read(&mut buf).await.unwrap(), 4);
    });
}

#[test]
fn readiness_and_try() {
    block_on(async {
        let (client, server) = pair().await;
        let ready = client.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        assert!(ready.is_writable() && !ready.is_readable());
        assert_eq!(client.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.writable().await.unwrap();
        assert_eq!(server.try_write(b"ping").unwrap(), 4);
        client.readable().await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(client.try_read(&mut buf).unwrap(), 4);
        assert_eq!(client.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(server);
        let ready = client.ready(Interest::READABLE).await.unwrap();
        assert!(ready.is_read_closed());
        assert_eq!(client.try_read(&mut buf).unwrap(), 0);
    });
}

#[test]
fn a_full_buffer_is_not_writable() {
    block_on(async {
        let (client, mut server) = pair().await;
        let chunk = vec![0; 1 << 16];
        let mut sent = 0;
        let full = loop {
            match client.try_write(&chunk) {
                Ok(n) => sent += n,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let drain = async {
            let mut rest = vec![0; sent];
            server.read_exact(&mut rest).await.unwrap();
        };
        join(client.writable(), drain).await.0.unwrap();
    });
}

#[test]
fn async_io_waits_for_the_caller() {
    block_on(async {
        let (client, server) = pair().await;
        let mut buf = [0; 4];
        let receive = server.async_io(Interest::READABLE, || {
            (&std::net::TcpStream::from(rustix::io::dup(&server)?)).read(&mut buf)
        });
        let (received, sent) = join(
            receive,
            client.async_io(Interest::WRITABLE, || {
                client.try_io(Interest::WRITABLE, || {
                    (&std::net::TcpStream::from(rustix::io::dup(&client)?)).write(b"abcd")
                })
            }),
        )
        .await;
        assert_eq!((received.unwrap(), sent.unwrap()), (4, 4));
        assert_eq!(&buf, b"abcd");
    });
}

#[test]
fn out_of_band_data_has_priority() {
    block_on(async {
        let (client, server) = pair().await;
        let send = async { rustix::net::send(&client, b"!", rustix::net::SendFlags::OOB) };
        let (ready, sent) = join(server.ready(Interest::PRIORITY), send).await;
        assert_eq!(sent.unwrap(), 1);
        assert!(ready.unwrap().is_priority());
    });
}

#[test]
fn halves_that_borrow() {
    block_on(async {
        let (mut client, server) = pair().await;
        let (mut read, mut write) = TcpStream::split(&mut client);
        assert_eq!(read.local_addr().unwrap(), write.local_addr().unwrap());
        let talk = async {
            write.write_all(b"through").await.unwrap();
            let mut buf = [0; 7];
            assert_eq!(read.peek(&mut buf).await.unwrap().min(1), 1);
            read.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"through");
            write.close().await.unwrap();
        };
        join(echo(server), talk).await.0.unwrap();
    });
}

#[test]
fn halves_that_own() {
    block_on(async {
        let (client, mut server) = pair().await;
        let (other, _server) = pair().await;
        let (read, write) = client.into_split();
        let (other_read, other_write) = other.into_split();
        let error = read.reunite(other_write).unwrap_err();
        assert!(error.to_string().contains("not from the same socket"));
        let (read, other_write) = (error.0, error.1);
        assert!(other_read.reunite(other_write).is_ok());
        let (read, write) = read.reunite(write).unwrap().into_split();
        // A forgotten half does not end the stream, a dropped one does.
        let (read, write) = write.reunite(read).unwrap().into_split();
        write.try_write(b"a").unwrap();
        let mut all = Vec::new();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 1);
        drop(write);
        server.read_to_end(&mut all).await.unwrap();
        assert!(all.is_empty());
        assert_eq!(server.try_write(b"still open").unwrap(), 10);
        read.readable().await.unwrap();
        assert_eq!(read.try_read(&mut [0; 16]).unwrap(), 10);
    });
}

#[test]
fn a_forgotten_half_shuts_nothing_down() {
    block_on(async {
        let (client, server) = pair().await;
        let (_read, write) = client.into_split();
        write.forget();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(server.poll_read_ready(&mut cx).is_pending());
    });
}

#[test]
fn std_and_back() {
    block_on(async {
        let (client, mut server) = std_pair();
        let mut stream = TcpStream::try_from(client).unwrap();
        server.write_all(b"one").unwrap();
        let mut buf = [0; 3];
        stream.read_exact(&mut buf).await.unwrap();
        // Registered, taken out, registered again.
        stream.writable().await.unwrap();
        let stream = TcpStream::from_std(stream.into_std().unwrap()).unwrap();
        stream.writable().await.unwrap();
        let mut std = stream.into_std().unwrap();
        assert_eq!(std.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener.into_std().unwrap()).unwrap();
        assert_eq!(listener.local_addr().unwrap(), addr);
    });
}

#[test]
fn options() {
    block_on(async {
        let (client, _server) = pair().await;
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
        client.set_ttl(42).unwrap();
        assert_eq!(client.ttl().unwrap(), 42);
        client.set_linger(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::from_secs(3)));
        client.set_zero_linger().unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::ZERO));
        client.set_quickack(true).unwrap();
        assert!(client.take_error().unwrap().is_none());
    });
}

#[test]
fn a_time_to_linger_is_rounded_up_to_what_the_option_holds() {
    block_on(async {
        let (client, _server) = pair().await;
        let socket = TcpSocket::new_v4().unwrap();
        let most = Duration::from_secs(i32::MAX as u64);
        let cases = [
            (Duration::from_nanos(1), Duration::from_secs(1)),
            (Duration::from_millis(2500), Duration::from_secs(3)),
            (most, most),
            (most + Duration::from_nanos(1), most),
            (Duration::MAX, most),
        ];
        for (asked, set) in cases {
            client.set_linger(Some(asked)).unwrap();
            socket.set_linger(Some(asked)).unwrap();
            assert_eq!(client.linger().unwrap(), Some(set), "{asked:?}");
            assert_eq!(socket.linger().unwrap(), Some(set), "{asked:?}");
        }
        // A close of these would wait.
        client.set_linger(None).unwrap();
        assert_eq!(client.linger().unwrap(), None);
    });
}

#[test]
fn sockets_under_construction() {
    block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.set_reuseport(true).unwrap();
        assert!(socket.reuseaddr().unwrap() && socket.reuseport().unwrap());
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = socket.local_addr().unwrap();
        let listener = socket.listen(16).unwrap();
        let second = TcpSocket::new_v4().unwrap();
        assert_eq!(second.bind(addr).unwrap_err().kind(), ErrorKind::AddrInUse);

        let client = TcpSocket::new_v4().unwrap();
        client.set_nodelay(true).unwrap();
        client.set_keepalive(true).unwrap();
        client.set_send_buffer_size(1 << 16).unwrap();
        client.set_recv_buffer_size(1 << 16).unwrap();
        client.set_tos_v4(16).unwrap();
        assert!(client.nodelay().unwrap() && client.keepalive().unwrap());
        assert!(client.send_buffer_size().unwrap() >= 1 << 16);
        assert!(client.recv_buffer_size().unwrap() >= 1 << 16);
        assert_eq!(client.tos_v4().unwrap(), 16);
        let (stream, accepted) = join(client.connect(addr), listener.accept()).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), addr);
        accepted.unwrap();
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        let error = TcpStream::connect(closed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let none: &[SocketAddr] = &[];
        let error = TcpStream::connect(none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // The next address is tried.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[closed, open][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
    });
}

#[test]
fn a_reset_is_an_error() {
    block_on(async {
        let (mut client, server) = pair().await;
        server.set_zero_linger().unwrap();
        drop(server);
        let error = client.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn names_are_resolved() {
    block_on(async {
        let addresses: Vec<_> = lookup_host("localhost:80").await.unwrap().collect();
        assert!(addresses.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
        assert!(lookup_host("no port").await.is_err());
    });
}

#[test]
fn operations_spend_budget() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        client.write_all(&[0; 200]).await.unwrap();
        server.readable().await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let outer = budget::set(Budget::initial());
        let mut done = 0;
        while Pin::new(&mut server).poll_read(&mut cx, &mut [0]).is_ready() {
            done += 1;
        }
        assert!(Pin::new(&mut client).poll_write(&mut cx, b"x").is_pending());
        budget::set(outer);
        assert_eq!(done, 128);
    });
}

#[cfg(feature = "tokio-io")]
mod tokio_traits {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    #[test]
    fn read_fills_a_buffer_that_is_not_initialised() {
        block_on(async {
            let (mut client, mut server) = pair().await;
            let sent = poll_fn(|cx| AsyncWrite::poll_write(Pin::new(&mut client), cx, b"bytes"));
            assert_eq!(sent.await.unwrap(), 5);
            let mut memory = [std::mem::MaybeUninit::uninit(); 16];
            let mut buf = ReadBuf::uninit(&mut memory);
            assert_eq!(poll_fn(|cx| server.poll_peek(cx, &mut buf)).await.unwrap(), 5);
            assert_eq!(buf.filled(), b"bytes");
            poll_fn(|cx| AsyncRead::poll_read(Pin::new(&mut server), cx, &mut buf)).await.unwrap();
            assert_eq!(buf.filled(), b"bytesbytes");
            assert!(AsyncWrite::is_write_vectored(&client));
            poll_fn(|cx| AsyncWrite::poll_shutdown(Pin::new(&mut client), cx)).await.unwrap();
            poll_fn(|cx| AsyncRead::poll_read(Pin::new(&mut server), cx, &mut buf)).await.unwrap();
            assert_eq!(buf.filled().len(), 10);
        });
    }
}
