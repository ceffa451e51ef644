//! A clock of Google's that differs from the client's.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Google, QUICK};

const HOUR: i64 = 3600;

/// Returns the `Date` header of the token server's responses.
async fn date(google: &Google) -> i64 {
    let url = google.key["token_uri"].as_str().unwrap();
    let response = google.http.post(url).send().await.unwrap();
    let date = httpdate::parse_http_date(response.headers()["date"].to_str().unwrap()).unwrap();
    date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

#[tokio::test]
async fn a_clock_that_is_off_refuses_what_is_signed_by_another_and_tells_its_time() {
    let google = Google::start(QUICK).await;
    for hours in [3, -3] {
        let offset = json!({ "offset_ms": hours * HOUR * 1000 });
        assert_eq!(google.control(Method::PUT, "clock", Some(offset.clone())).await, (200, offset.clone()));
        assert_eq!(google.control(Method::GET, "clock", None).await, (200, offset));
        let (status, error) = google.grant(&google.assertion(json!({}))).await;
        assert_eq!((status, &error["error"]), (400, &json!("invalid_grant")));
        assert!(error["error_description"].as_str().unwrap().contains("reasonable timeframe"), "{error}");

        let googles = date(&google).await;
        let here = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
        assert!((googles - here - hours * HOUR).abs() < 60, "{googles} is no {hours} hours off {here}");
        let claims = json!({ "iat": googles, "exp": googles + HOUR });
        let (status, granted) = google.grant(&google.assertion(claims)).await;
        assert_eq!(status, 200, "{granted}");
        let token = granted["access_token"].as_str().unwrap();
        let zones = google.request(Method::GET, "zones").bearer_auth(token).send().await.unwrap();
        assert_eq!(zones.status(), 200);
    }
    google.control(Method::POST, "reset", None).await;
    assert_eq!(google.grant(&google.assertion(json!({}))).await.0, 200);
}

#[tokio::test]
async fn clocks_that_make_no_sense() {
    let google = Google::start(QUICK).await;
    for wrong in
        [json!({}), json!({ "offset": 1 }), json!({ "offset_ms": "1" }), json!({ "offset_ms": i64::MAX })]
    {
        assert_eq!(google.control(Method::PUT, "clock", Some(wrong.clone())).await.0, 400, "{wrong}");
    }
}
