//! The demo server of an instance: a few routes for the cases that a proxy in front of it has to
//! handle.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, Request, State};
use axum::http::{header, HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{from_fn_with_state, Next};
use axum::response::sse::{Event, Sse};
use axum::response::{AppendHeaders, Html, IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use base64::prelude::{Engine, BASE64_STANDARD};
use futures_util::{stream, Stream};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::machine::Machine;
use crate::clock::utc;

/// The demo server's memory since the boot.
#[derive(Debug)]
pub struct Memory {
    booted: SystemTime,
    requests: AtomicU64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { booted: SystemTime::now(), requests: AtomicU64::new(0) }
    }
}

/// Returns the server's routes. WebSockets end with `life`.
pub fn router(machine: Machine, memory: Arc<Memory>, address: SocketAddr, life: CancellationToken) -> Router {
    let demo = Demo { machine, memory, address, life };
    Router::new()
        .route("/", get(front_page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/echo", any(echo))
        .route("/status/{code}", any(status))
        .route("/bytes/{count}", get(bytes))
        .route("/stream", get(events))
        .route("/slow/{ms}", any(slow))
        .route("/ws", any(websocket))
        .route("/cookies", get(cookies))
        .route("/redirect", any(redirect))
        .fallback(not_found)
        .layer(from_fn_with_state(demo.memory.clone(), count))
        .with_state(demo)
}

#[derive(Clone)]
struct Demo {
    machine: Machine,
    memory: Arc<Memory>,
    address: SocketAddr,
    life: CancellationToken,
}

async fn count(State(memory): State<Arc<Memory>>, request: Request, next: Next) -> Response {
    memory.requests.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}

async fn front_page(State(demo): State<Demo>) -> Html<String> {
    let page = include_str!("demo.html")
        .replace("{name}", &demo.machine.name)
        .replace("{zone}", &demo.machine.zone)
        .replace("{machine_type}", &demo.machine.machine_type)
        .replace("{address}", &demo.address.to_string())
        .replace("{booted}", &utc(demo.memory.booted))
        .replace("{requests}", &demo.memory.requests.load(Ordering::Relaxed).to_string());
    Html(page)
}

/// Returns the request as JSON. Headers are in the order received, with repeated ones together and
/// names in lower case, as hyper stores them.
async fn echo(
    State(demo): State<Demo>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return (StatusCode::BAD_REQUEST, "the body broke off\n").into_response();
    };
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    Json(json!({
        "instance": demo.machine.name,
        "method": method.as_str(),
        "url": uri.to_string(),
        "headers": headers,
        "body": std::str::from_utf8(&body).ok(),
        "body_base64": BASE64_STANDARD.encode(&body),
        "body_length": body.len(),
    }))
    .into_response()
}

async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        Ok(StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) => {
            StatusCode::from_u16(code).unwrap_or_default().into_response()
        }
        Ok(status) if code >= 200 => (status, format!("{status}\n")).into_response(),
        _ => (StatusCode::BAD_REQUEST, "a final status is from 200 to 999\n").into_response(),
    }
}

#[derive(Deserialize)]
struct BytesQuery {
    #[serde(default)]
    chunked: u8,
}

/// Returns bytes of which byte i is i modulo 256. Every piece of the body is a slice of one block.
async fn bytes(Path(count): Path<u64>, Query(query): Query<BytesQuery>) -> Response {
    const BLOCK: u64 = 64 * 1024;
    let block: Bytes = (0..=u8::MAX).cycle().take(BLOCK as usize).collect();
    let pieces = stream::unfold(count, move |left| {
        let size = left.min(BLOCK);
        let piece = (size > 0).then(|| (Ok::<_, Infallible>(block.slice(..size as usize)), left - size));
        std::future::ready(piece)
    });
    let mut response = Body::from_stream(pieces).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    if query.chunked == 0 {
        response.headers_mut().insert(header::CONTENT_LENGTH, count.into());
    }
    response
}

#[derive(Deserialize)]
struct EventsQuery {
    #[serde(default = "ten")]
    n: u64,
    #[serde(default = "half_a_second")]
    interval_ms: u64,
}

async fn events(Query(query): Query<EventsQuery>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold(0, move |sent| async move {
        if sent == query.n {
            return None;
        }
        if sent > 0 {
            tokio::time::sleep(Duration::from_millis(query.interval_ms)).await;
        }
        let event =
            Event::default().id(sent.to_string()).data(format!("event {sent} at {}", utc(SystemTime::now())));
        Some((Ok(event), sent + 1))
    }))
}

async fn slow(Path(ms): Path<u64>) -> String {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    format!("after {ms} ms\n")
}

/// Echoes every message, and accepts the first of the offered subprotocols.
async fn websocket(State(demo): State<Demo>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let offered: Vec<String> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|protocol| protocol.trim().to_owned())
        .collect();
    upgrade.protocols(offered).on_upgrade(move |socket| async move {
        let _ = demo.life.run_until_cancelled(echo_messages(socket)).await;
    })
}

async fn echo_messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn cookies() -> impl IntoResponse {
    let cookies = AppendHeaders([
        (header::SET_COOKIE, "first=1; Path=/"),
        (header::SET_COOKIE, "second=2; Path=/; HttpOnly"),
    ]);
    (cookies, "two cookies\n")
}

async fn redirect(State(demo): State<Demo>) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, format!("http://{}/", demo.address))]).into_response()
}

async fn not_found(State(demo): State<Demo>, uri: Uri) -> Response {
    let path = uri.path().replace('&', "&amp;").replace('<', "&lt;");
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Not found</title>\n\
         <p>{} has nothing at <code>{path}</code>. <a href=/>Its front page</a>.\n",
        demo.machine.name
    );
    (StatusCode::NOT_FOUND, Html(page)).into_response()
}

fn ten() -> u64 {
    10
}

fn half_a_second() -> u64 {
    500
}
