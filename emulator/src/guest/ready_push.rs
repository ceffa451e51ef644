//! The demo server's ready push, for a proxy that waits for it: vmproxy writes the URL and a token
//! to the instance's metadata.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::{header, Request, StatusCode, Uri};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::compute::instance::Instance;
use crate::log::Log;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The target of a ready push.
#[derive(Debug, Clone)]
pub struct ReadyPush {
    url: String,
    token: String,
}

impl ReadyPush {
    /// Reads the target from an instance's metadata. `None` means that there is none.
    pub fn of(instance: &Instance) -> Option<Self> {
        let item = |key| instance.metadata(key).map(str::to_owned);
        Some(Self { url: item("vmproxy-ready-url")?, token: item("vmproxy-ready-token")? })
    }

    /// Sends the push once.
    pub async fn send(&self, log: Log) {
        match timeout(TIMEOUT, self.post()).await.unwrap_or_else(|late| Err(io::Error::other(late))) {
            Ok(status) if status.is_success() => {}
            Ok(status) => log.line(format_args!("ready push to {}: {status}", self.url)),
            Err(error) => log.line(format_args!("ready push to {}: {error}", self.url)),
        }
    }

    async fn post(&self) -> io::Result<StatusCode> {
        let url: Uri = self.url.parse().map_err(io::Error::other)?;
        let (Some("http"), Some(host)) = (url.scheme_str(), url.host()) else {
            return Err(io::Error::other("the URL must begin with http://"));
        };
        let stream =
            TcpStream::connect((host.trim_matches(['[', ']']), url.port_u16().unwrap_or(80))).await?;
        stream.set_nodelay(true)?;
        let request = Request::post(url.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, url.authority().map_or(host, |authority| authority.as_str()))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Body::empty())
            .map_err(io::Error::other)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let (response, _) = tokio::join!(
            async move { sender.send_request(request).await },
            // The connection ends when the sender is dropped.
            connection
        );
        Ok(response.map_err(io::Error::other)?.status())
    }
}
