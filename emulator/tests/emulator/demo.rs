//! The demo server of an instance.

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, Response};
use serde_json::{json, Value};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Google, NEVER, QUICK};

async fn demo() -> (Google, String) {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    (google, root)
}

async fn get(google: &Google, url: String) -> Response {
    google.http.get(url).send().await.unwrap()
}

#[tokio::test]
async fn the_front_page_names_the_machine() {
    let (google, root) = demo().await;
    let page = get(&google, root.clone()).await.text().await.unwrap();
    for text in ["vm", "us-central1-a", "n1-standard-1", root.trim_start_matches("http://")] {
        assert!(page.contains(text), "{text}");
    }
    for placeholder in ["{name}", "{zone}", "{machine_type}", "{address}", "{booted}", "{requests}"] {
        assert!(!page.contains(placeholder), "{placeholder}");
    }
    let requests = |page: &str| {
        page.split("Requests since</dt><dd>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert_eq!(requests(&page), "1");
    assert_eq!(requests(&get(&google, root).await.text().await.unwrap()), "2");
}

#[tokio::test]
async fn echo_tells_what_arrived() {
    let (google, root) = demo().await;
    let request = google
        .http
        .request(Method::PATCH, format!("{root}/echo?a=%20b&a=c"))
        .header("x-twice", "1")
        .header("x-twice", "2")
        .body("hällo");
    let echo: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&echo["method"], &echo["url"]), (&json!("PATCH"), &json!("/echo?a=%20b&a=c")));
    assert_eq!(
        (&echo["body"], &echo["body_length"], &echo["body_base64"]),
        (&json!("hällo"), &json!(6), &json!("aMOkbGxv"))
    );
    let twice: Vec<_> =
        echo["headers"].as_array().unwrap().iter().filter(|header| header[0] == "x-twice").collect();
    assert_eq!(twice, [&json!(["x-twice", "1"]), &json!(["x-twice", "2"])]);
}

#[tokio::test]
async fn echo_takes_large_bodies_that_are_no_text() {
    let (google, root) = demo().await;
    let body = vec![0xff; 8 * 1024 * 1024];
    let echo: Value =
        google.http.post(format!("{root}/echo")).body(body).send().await.unwrap().json().await.unwrap();
    assert_eq!((&echo["body"], &echo["body_length"]), (&Value::Null, &json!(8 * 1024 * 1024)));
}

#[tokio::test]
async fn statuses() {
    let (google, root) = demo().await;
    for (status, has_body) in [(200, true), (204, false), (304, false), (418, true), (503, true)] {
        let response = get(&google, format!("{root}/status/{status}")).await;
        assert_eq!(response.status(), status);
        assert_eq!(!response.bytes().await.unwrap().is_empty(), has_body, "{status}");
    }
    assert_eq!(get(&google, format!("{root}/status/99")).await.status(), 400);
    assert_eq!(get(&google, format!("{root}/healthz")).await.status(), 200);
    assert_eq!(get(&google, format!("{root}/nothing")).await.status(), 404);
}

#[tokio::test]
async fn bytes_with_a_length_or_in_chunks() {
    let (google, root) = demo().await;
    let expected: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for (query, length) in [("", Some(100_000)), ("?chunked=1", None)] {
        let response = get(&google, format!("{root}/bytes/100000{query}")).await;
        assert_eq!(response.content_length(), length, "{query}");
        assert!(response.bytes().await.unwrap() == expected, "{query}");
    }
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let (google, root) = demo().await;
    // The second event never comes, so the first was not delayed for it.
    let mut response = get(&google, format!("{root}/stream?n=2&interval_ms={NEVER}")).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first = response.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("event 0"));

    let all = get(&google, format!("{root}/stream?n=3&interval_ms=1")).await.text().await.unwrap();
    assert_eq!(all.matches("data: event").count(), 3);
}

#[tokio::test]
async fn cookies_and_redirects() {
    let (google, root) = demo().await;
    let response = get(&google, format!("{root}/cookies")).await;
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["first=1; Path=/", "second=2; Path=/; HttpOnly"]);
    let response = get(&google, format!("{root}/redirect")).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (302, &format!("{root}/").parse().unwrap())
    );
    assert_eq!(get(&google, format!("{root}/slow/1")).await.text().await.unwrap(), "after 1 ms\n");
}

#[tokio::test]
async fn web_sockets_echo_and_end_with_the_instance() {
    let (google, root) = demo().await;
    let mut request = format!("{}/ws", root.replace("http", "ws")).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat, other".parse().unwrap());
    let (mut socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for message in [Message::text("hello"), Message::binary(vec![0, 255])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    google.change("vm", "stop").await;
    let after =
        tokio::time::timeout(std::time::Duration::from_secs(30), socket.next()).await.expect("it ends");
    assert!(!matches!(after, Some(Ok(_))), "{after:?}");
}
