//! One HTTP/1.1 connection to the server.

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::Result;

/// No variant should need a hundredth of it.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client {
    server: SocketAddr,
    /// None before the first request and after an error.
    connection: Option<SendRequest<Empty<Bytes>>>,
}

impl Client {
    pub fn new(server: SocketAddr) -> Client {
        Client { server, connection: None }
    }

    /// One request, its whole answer. Fails on a broken connection, on a status other than 200 and
    /// after ten seconds; the next request then makes a new connection.
    pub async fn get(&mut self, path: &'static str) -> Result<()> {
        let result = match timeout(PATIENCE, self.try_get(path)).await {
            Ok(result) => result,
            Err(_) => Err(format!("{path} was not answered within {PATIENCE:?}").into()),
        };
        if result.is_err() {
            self.connection = None;
        }
        result
    }

    async fn try_get(&mut self, path: &'static str) -> Result<()> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(self.server).await?),
        };
        connection.ready().await?;
        let request = Request::get(path).header(HOST, "localhost").body(Empty::new())?;
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body).trim()).into());
        }
        Ok(())
    }
}

async fn connect(server: SocketAddr) -> Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when `requests` is dropped; errors show there.
    tokio::spawn(connection);
    Ok(requests)
}
