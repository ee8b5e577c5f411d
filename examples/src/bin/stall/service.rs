//! The paths of the server.

use std::{convert::Infallible, sync::Arc};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;

use crate::{
    Result,
    platform::{Blocking, Platform},
    store::Store,
};

pub const PING: &str = "/ping";
/// The paths that block.
pub const QUERIES: [&str; 4] = ["/report", "/order", "/file", "/upstream"];

/// Serves one connection until the client closes it.
pub async fn connection<P: Platform, B: Blocking>(stream: P::Stream, store: Arc<Store>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let store = store.clone();
        async move { Ok::<_, Infallible>(answer::<B>(request.uri().path(), store).await) }
    });
    // A broken connection is the client's to count.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer<B: Blocking>(path: &str, store: Arc<Store>) -> Response<Full<Bytes>> {
    let call: fn(&Store) -> Result<String> = match path {
        PING => return text(StatusCode::OK, "pong\n".into()),
        "/report" => Store::report,
        "/order" => Store::order,
        "/file" => Store::file,
        "/upstream" => Store::upstream,
        _ => return text(StatusCode::NOT_FOUND, "no such path\n".into()),
    };
    match B::run(move || call(&store)).await {
        Ok(answer) => text(StatusCode::OK, answer),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{path}: {error}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}
