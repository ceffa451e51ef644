//! Tokens of another account, for callers that may impersonate it.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{Google, QUICK};

const IAM: &str = "https://www.googleapis.com/auth/iam";
const COMPUTE: &str = "https://www.googleapis.com/auth/compute";
const STARTER: &str = "vm-starter@emulator-project.iam.gserviceaccount.com";

async fn token(google: &Google, scope: &str) -> String {
    let (status, granted) = google.grant(&google.assertion(json!({ "scope": scope }))).await;
    assert_eq!(status, 200, "{granted}");
    granted["access_token"].as_str().unwrap().to_owned()
}

async fn generate(google: &Google, bearer: &str, email: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/v1/projects/-/serviceAccounts/{email}:generateAccessToken", google.endpoint);
    let response = google.http.post(url).bearer_auth(bearer).json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn status_with(google: &Google, bearer: &str, method: Method, path: &str) -> u16 {
    google.request(method, path).bearer_auth(bearer).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_token_of_another_account_is_taken_by_the_api_within_its_scope() {
    let google = Google::start(QUICK).await;
    let own = token(&google, IAM).await;
    let start = "zones/us-central1-a/instances/a/start";
    assert_eq!(status_with(&google, &own, Method::GET, "zones").await, 403, "it is for IAM alone");
    let read_only = "https://www.googleapis.com/auth/compute.readonly";
    for (scope, expected) in [(COMPUTE, 404), (read_only, 403)] {
        let body = json!({ "scope": [scope], "lifetime": "3600s" });
        let (status, generated) = generate(&google, &own, STARTER, &body).await;
        assert_eq!(status, 200, "{generated}");
        assert!(generated["expireTime"].as_str().unwrap().ends_with('Z'));
        let token = generated["accessToken"].as_str().unwrap();
        assert_eq!(status_with(&google, token, Method::GET, "zones").await, 200);
        assert_eq!(status_with(&google, token, Method::POST, start).await, expected, "{scope}");
        assert_eq!(generate(&google, token, STARTER, &body).await.0, 403, "it is not for IAM");
    }
    let (_, stats) = google.control(Method::GET, "stats", None).await;
    assert_eq!(stats["calls"]["serviceAccounts.generateAccessToken"], 4);
}

#[tokio::test]
async fn a_self_signed_token_will_do() {
    let google = Google::start(QUICK).await;
    let body = json!({ "scope": [COMPUTE] });
    for (audience, expected) in
        [("https://iamcredentials.googleapis.com/", 200), ("https://compute.googleapis.com/", 401)]
    {
        let own = google.assertion(json!({ "aud": audience, "scope": null }));
        assert_eq!(generate(&google, &own, STARTER, &body).await.0, expected, "{audience}");
    }
}

#[tokio::test]
async fn what_google_refuses() {
    let google = Google::start(QUICK).await;
    let own = token(&google, IAM).await;
    let compute = token(&google, COMPUTE).await;
    let right = json!({ "scope": [COMPUTE] });
    let nobody = "nobody@emulator-project.iam.gserviceaccount.com";
    for (bearer, email, body, status, reason) in [
        ("ya29.unknown", STARTER, right.clone(), 401, "UNAUTHENTICATED"),
        (&compute, STARTER, right.clone(), 403, "PERMISSION_DENIED"),
        (&own, nobody, right.clone(), 403, "PERMISSION_DENIED"),
        (&own, STARTER, json!({}), 400, "INVALID_ARGUMENT"),
        (&own, STARTER, json!({ "scope": ["compute"] }), 400, "INVALID_ARGUMENT"),
        (&own, STARTER, json!({ "scope": COMPUTE }), 400, "INVALID_ARGUMENT"),
        (&own, STARTER, json!({ "scopes": [COMPUTE] }), 400, "INVALID_ARGUMENT"),
        (&own, STARTER, json!({ "scope": [COMPUTE], "lifetime": "3601s" }), 400, "INVALID_ARGUMENT"),
        (&own, STARTER, json!({ "scope": [COMPUTE], "lifetime": "0s" }), 400, "INVALID_ARGUMENT"),
        (&own, STARTER, json!({ "scope": [COMPUTE], "lifetime": "1h" }), 400, "INVALID_ARGUMENT"),
        (&own, STARTER, json!({ "scope": [COMPUTE], "delegates": ["x"] }), 501, "UNIMPLEMENTED"),
    ] {
        let (got, error) = generate(&google, bearer, email, &body).await;
        assert_eq!((got, &error["error"]["status"]), (status, &json!(reason)), "{email} {body}: {error}");
    }
}

#[tokio::test]
async fn faults_meet_it_too() {
    let google = Google::start(QUICK).await;
    let own = token(&google, IAM).await;
    let fault = json!({ "method": "serviceAccounts.generateAccessToken", "status": 503 });
    assert_eq!(google.control(Method::POST, "faults", Some(fault)).await.0, 201);
    let body = json!({ "scope": [COMPUTE] });
    assert_eq!(generate(&google, &own, STARTER, &body).await.0, 503);
    assert_eq!(generate(&google, &own, STARTER, &body).await.0, 200);
}
