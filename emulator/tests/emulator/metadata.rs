//! The metadata servers of the instances, and their clients.

use gce_emulator::Options;
use reqwest::Method;
use serde_json::{json, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{instance, options, Google, QUICK, ZONE};

/// Reads from the metadata server; returns the status and the text.
async fn read(google: &Google, name: &str, path: &str) -> (u16, String) {
    let url = format!("{}/emulator/instances/{name}/computeMetadata/v1/instance/{path}", google.endpoint);
    let response = google.http.get(url).header("Metadata-Flavor", "Google").send().await.unwrap();
    assert_eq!(response.headers()["metadata-flavor"], "Google");
    (response.status().as_u16(), response.text().await.unwrap())
}

fn with_metadata(items: &[(&str, &str)]) -> Value {
    let items: Vec<_> = items.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let mut body = instance("vm");
    body["metadata"] = json!({ "items": items });
    body
}

async fn create(google: &Google, items: &[(&str, &str)]) {
    let (status, operation) = google.insert(with_metadata(items)).await;
    assert_eq!(status, 200, "{operation}");
    google.wait(&operation).await;
    google.listening("vm").await;
}

async fn set(google: &Google, items: Value) {
    let fingerprint = google.instance("vm").await["metadata"]["fingerprint"].clone();
    let body = json!({ "fingerprint": fingerprint, "items": items });
    google.done(Method::POST, &format!("zones/{ZONE}/instances/vm/setMetadata"), Some(body)).await;
}

#[tokio::test]
async fn it_has_the_attributes_as_they_are() {
    let google = Google::start(QUICK).await;
    create(&google, &[("color", "green"), ("empty", "")]).await;
    assert_eq!(read(&google, "vm", "attributes/").await, (200, "color\nempty\n".into()));
    assert_eq!(read(&google, "vm", "attributes/color").await, (200, "green".into()));
    assert_eq!(read(&google, "vm", "attributes/empty").await, (200, String::new()));
    set(&google, json!([{ "key": "color", "value": "red\nand blue" }])).await;
    assert_eq!(read(&google, "vm", "attributes/color").await, (200, "red\nand blue".into()));
    for (name, path) in [("vm", "attributes/empty"), ("other", "attributes/color"), ("vm", "nothing")] {
        assert_eq!(read(&google, name, path).await.0, 404, "{name} {path}");
    }
}

#[tokio::test]
async fn it_knows_its_instance() {
    let google = Google::start(QUICK).await;
    create(&google, &[]).await;
    let id = google.instance("vm").await["id"].as_str().unwrap().to_owned();
    assert_eq!(read(&google, "vm", "attributes/").await, (200, String::new()));
    assert_eq!(read(&google, "vm", "name").await, (200, "vm".into()));
    assert_eq!(read(&google, "vm", "id").await, (200, id));
    assert_eq!(read(&google, "vm", "zone").await, (200, format!("projects/emulator-project/zones/{ZONE}")));
}

#[tokio::test]
async fn nobody_reads_it_by_mistake() {
    let google = Google::start(QUICK).await;
    create(&google, &[("color", "green")]).await;
    let url =
        format!("{}/emulator/instances/vm/computeMetadata/v1/instance/attributes/color", google.endpoint);
    for flavor in [None, Some("google")] {
        let request = google.http.get(&url);
        let request =
            flavor.into_iter().fold(request, |request, flavor| request.header("Metadata-Flavor", flavor));
        assert_eq!(request.send().await.unwrap().status(), 403);
    }
}

#[tokio::test]
async fn a_command_finds_it() {
    let heard = Listening::start().await;
    let port = heard.listener.local_addr().unwrap().port();
    let exec = format!(
        "color=$(curl -sf -H 'Metadata-Flavor: Google' \
         http://$GCE_METADATA_HOST/computeMetadata/v1/instance/attributes/color); \
         curl -s http://127.0.0.1:{port}/$color"
    );
    let google = Google::start_with(Options { exec: Some(exec), ..options() }).await;
    let (_, operation) = google.insert(with_metadata(&[("color", "green")])).await;
    google.wait(&operation).await;
    assert!(heard.next().await.starts_with("GET /green HTTP/1.1\r\n"));
}

/// A push is sent at each boot, and at no other time.
#[tokio::test]
async fn the_demo_server_says_that_it_is_ready() {
    let heard = Listening::start().await;
    let url = format!("http://{}/ready?vm", heard.listener.local_addr().unwrap());
    let google = Google::start(QUICK).await;
    create(&google, &[("vmproxy-ready-url", &url), ("vmproxy-ready-token", "first")]).await;
    let request = heard.next().await;
    assert!(request.starts_with("POST /ready?vm HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer first\r\n"), "{request}");

    google.change("vm", "suspend").await;
    google.change("vm", "resume").await;
    google.listening("vm").await;
    google.change("vm", "stop").await;
    let items = json!([
        { "key": "vmproxy-ready-url", "value": url }, { "key": "vmproxy-ready-token", "value": "second" }
    ]);
    set(&google, items).await;
    google.change("vm", "start").await;
    let request = heard.next().await;
    assert!(request.contains("authorization: Bearer second\r\n"), "nothing in between: {request}");
}

/// A server that records requests.
struct Listening {
    listener: TcpListener,
}

impl Listening {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// Returns the head of the next request.
    async fn next(&self) -> String {
        let (mut connection, _): (TcpStream, _) = self.listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        connection.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
        String::from_utf8(head).unwrap()
    }
}
