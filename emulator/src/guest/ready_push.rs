//! The demo server's word that it is ready, for a proxy that waits for it: vmproxy puts into the instance's metadata
//! where it wants to hear it, and with which token.

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

/// Whom the server tells.
#[derive(Debug, Clone)]
pub struct ReadyPush {
    url: String,
    token: String,
}

impl ReadyPush {
    /// Whoever wants to hear it of this instance.
    pub fn of(instance: &Instance) -> Option<Self> {
        let item = |key| instance.metadata(key).map(str::to_owned);
        Some(Self { url: item("vmproxy-ready-url")?, token: item("vmproxy-ready-token")? })
    }

    /// Tells them, once.
    pub async fn send(&self, log: Log) {
        match timeout(TIMEOUT, self.post()).await.unwrap_or_else(|late| Err(io::Error::other(late))) {
            Ok(status) if status.is_success() => {}
            Ok(status) => log.line(format_args!("{} answered {status}", self.url)),
            Err(error) => log.line(format_args!("{}: {error}", self.url)),
        }
    }

    async fn post(&self) -> io::Result<StatusCode> {
        let url: Uri = self.url.parse().map_err(io::Error::other)?;
        let (Some("http"), Some(host)) = (url.scheme_str(), url.host()) else {
            return Err(io::Error::other("only http:// can be told"));
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
            // It ends when the sender is gone.
            connection
        );
        Ok(response.map_err(io::Error::other)?.status())
    }
}
