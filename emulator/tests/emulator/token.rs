//! The token server accepts and refuses the same assertions as Google, in Google's words.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{Google, QUICK};

const HOUR: i64 = 3600;

#[tokio::test]
async fn a_signed_assertion_becomes_a_token_that_the_api_takes() {
    let google = Google::start(QUICK).await;
    let (status, granted) = google.grant(&google.assertion(json!({}))).await;
    assert_eq!(status, 200);
    assert_eq!((&granted["expires_in"], &granted["token_type"]), (&json!(3599), &json!("Bearer")));
    let token = granted["access_token"].as_str().unwrap();
    assert!(token.starts_with("ya29."));
    let response = google.request(Method::GET, "zones").bearer_auth(token).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn assertions_that_google_refuses() {
    let google = Google::start(QUICK).await;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    let time = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                Check your iat and exp values in the JWT claim.";
    let audience = format!(
        "Invalid JWT: Failed audience check. The right audience is {}",
        google.key["token_uri"].as_str().unwrap()
    );
    let cases = [
        (json!({ "iss": "nobody@example.com" }), "invalid_grant", "Invalid grant: account not found"),
        (json!({ "aud": "https://example.com/token" }), "invalid_grant", audience.as_str()),
        (json!({ "aud": null }), "invalid_grant", audience.as_str()),
        (json!({ "iat": now - 2 * HOUR, "exp": now - HOUR }), "invalid_grant", time),
        (json!({ "iat": now + HOUR, "exp": now + 2 * HOUR }), "invalid_grant", time),
        (json!({ "exp": now + 2 * HOUR }), "invalid_grant", time),
        (json!({ "iat": now, "exp": now }), "invalid_grant", time),
        (json!({ "scope": "" }), "invalid_scope", "Empty or missing scope not allowed."),
        (json!({ "scope": null }), "invalid_scope", "Empty or missing scope not allowed."),
        (
            json!({ "scope": "https://www.googleapis.com/auth/drive" }),
            "invalid_scope",
            "Invalid OAuth scope or ID token audience provided.",
        ),
    ];
    for (claims, error, description) in cases {
        let response = google.grant(&google.assertion(claims.clone())).await;
        assert_eq!(response, (400, json!({ "error": error, "error_description": description })), "{claims}");
    }
}

#[tokio::test]
async fn a_clock_some_minutes_wrong_is_forgiven() {
    let google = Google::start(QUICK).await;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    for skew in [-120, 120] {
        let claims = json!({ "iat": now + skew, "exp": now + skew + HOUR });
        assert_eq!(google.grant(&google.assertion(claims)).await.0, 200, "{skew} s");
    }
}

#[tokio::test]
async fn googles_own_clients_name_googles_token_server() {
    let google = Google::start(QUICK).await;
    let claims = json!({ "aud": "https://oauth2.googleapis.com/token" });
    assert_eq!(google.grant(&google.assertion(claims)).await.0, 200);
}

#[tokio::test]
async fn signatures_that_do_not_hold() {
    let google = Google::start(QUICK).await;
    let good = google.assertion(json!({}));
    let other = google.assertion(json!({ "scope": "https://www.googleapis.com/auth/cloud-platform" }));
    let (message, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let claims =
        json!({ "iss": google.key["client_email"], "aud": google.key["token_uri"], "iat": 1, "exp": 2 });
    let cases = [
        (format!("{message}.{signature}"), "Invalid JWT Signature."),
        (format!("{message}."), "Invalid JWT Signature."),
        (google.sign(json!({ "alg": "RS256", "kid": "unknown" }), claims.clone()), "Invalid JWT Signature."),
        (google.sign(json!({ "alg": "none" }), claims), "Invalid JWT: Only RS256 is supported."),
        ("no.jwt.x".into(), "Invalid JWT: Unreadable header."),
        ("nothing".into(), "Invalid JWT: Bad format."),
    ];
    for (assertion, description) in cases {
        let expected = json!({ "error": "invalid_grant", "error_description": description });
        assert_eq!(google.grant(&assertion).await, (400, expected), "{assertion}");
    }
}

#[tokio::test]
async fn forms_that_are_no_grant() {
    let google = Google::start(QUICK).await;
    let cases = [
        ("", "invalid_request"),
        ("grant_type=password&assertion=x", "unsupported_grant_type"),
        ("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer", "invalid_request"),
    ];
    for (form, error) in cases {
        let (status, body) = google.grant_form(form.into()).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{form}");
    }
}

#[tokio::test]
async fn the_api_takes_self_signed_tokens_too() {
    let google = Google::start(QUICK).await;
    let api = "https://compute.googleapis.com/";
    let cases = [
        (json!({ "aud": api, "scope": null }), 200),
        (json!({ "aud": null }), 200),
        (json!({ "aud": null, "scope": null }), 401),
        (json!({ "aud": "https://storage.googleapis.com/", "scope": null }), 401),
        (json!({ "aud": api, "scope": "https://www.googleapis.com/auth/drive" }), 401),
        (json!({ "aud": api, "iat": 1, "exp": 2 }), 401),
    ];
    for (claims, expected) in cases {
        let token = google.assertion(claims.clone());
        let response = google.request(Method::GET, "zones").bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), expected, "{claims}");
    }
}

#[tokio::test]
async fn no_valid_token_is_401_in_googles_shape() {
    let google = Google::start(QUICK).await;
    for token in [None, Some("ya29.unknown")] {
        let request = google.request(Method::GET, "zones");
        let request = token.map(|token| request.try_clone().unwrap().bearer_auth(token)).unwrap_or(request);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["status"], "UNAUTHENTICATED");
        assert_eq!(
            body["error"]["errors"],
            json!([{
                "message": "Invalid Credentials", "domain": "global", "reason": "authError",
                "location": "Authorization", "locationType": "header",
            }])
        );
    }
}

#[tokio::test]
async fn a_read_only_token_changes_nothing() {
    let google = Google::start(QUICK).await;
    let scope = "https://www.googleapis.com/auth/compute.readonly";
    let (_, granted) = google.grant(&google.assertion(json!({ "scope": scope }))).await;
    let token = granted["access_token"].as_str().unwrap();
    for (method, path, expected) in
        [(Method::GET, "zones", 200), (Method::POST, "zones/us-central1-a/instances/a/start", 403)]
    {
        let response = google.request(method, path).bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), expected);
    }
}

#[tokio::test]
async fn a_quota_project_must_be_the_callers_to_use() {
    let google = Google::start(QUICK).await;
    for (project, expected) in [("emulator-project", 200), ("other", 403)] {
        let request =
            google.request(Method::GET, "zones").bearer_auth(google.assertion(json!({ "aud": null })));
        let response = request.header("x-goog-user-project", project).send().await.unwrap();
        assert_eq!(response.status(), expected, "{project}");
    }
}
