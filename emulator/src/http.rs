//! An HTTP/1.1 server on a listener, for the API and for the instances.
//!
//! `axum::serve` is not used, because a fault can end a connection without a response, and because
//! an instance that goes down takes its connections with it: dropping the future closes them.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Marks a response in whose place the connection ends.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the connection ends without a response")]
pub struct HangUp;

impl HangUp {
    /// Returns a response in whose place the connection ends.
    pub fn response() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Self);
        response
    }
}

/// Serves connections until dropped.
pub async fn serve(listener: TcpListener, app: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, app.clone()));
                }
                // Most likely, no file descriptor is free at the moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Returns the value of a header. `None` means that the header is missing or not ASCII.
pub fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn serve_connection(stream: TcpStream, app: Router) {
    // Server-sent events must leave one by one.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move {
            let Ok(response): Result<Response, Infallible> = app.oneshot(request.map(Body::new)).await;
            match response.extensions().get::<HangUp>() {
                Some(hang_up) => Err(hang_up.clone()),
                None => Ok(response),
            }
        }
    });
    // An error only means that the peer closed the connection.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}
