//! HTTP/1.1 over a listener, for the API and for the instances.
//!
//! Not `axum::serve`, because a fault may ask for a connection to end with no answer at all, and because an
//! instance that dies takes its connections with it: dropping this future closes them.

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

/// Marks a response that is not to be sent: the connection ends instead.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the connection is to end without an answer")]
pub struct HangUp;

impl HangUp {
    /// A response that becomes the end of its connection.
    pub fn response() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Self);
        response
    }
}

/// Serves until dropped.
pub async fn serve(listener: TcpListener, app: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, app.clone()));
                }
                // Out of file descriptors, most likely: some will be free soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Returns the value of a header; `None` means that there is none, or that it is not ASCII.
pub fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn serve_connection(stream: TcpStream, app: Router) {
    // Server-sent events are to leave one by one.
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
    // A connection ends with an error whenever a peer goes away, which is the peer's business.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}
