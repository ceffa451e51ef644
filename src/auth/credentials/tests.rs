//! The requests that are made, with scripted token servers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::OnceLock;

use base64ct::{Base64UrlUnpadded, Encoding};
use futures::FutureExt;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::RsaPrivateKey;
use serde_json::{json, Value};

use super::*;
use crate::auth::{KEY, NEXT_KEY};

const NOW: Timestamp = Timestamp::from_millis(1_763_837_663_000);
const HOUR: u64 = 60 * 60 * 1000;

/// Token servers that return the test's responses in turn.
struct Script {
    now: Cell<Timestamp>,
    responses: RefCell<VecDeque<Result<TokenResponse, String>>>,
    requests: RefCell<Vec<TokenRequest>>,
    logged: RefCell<Vec<String>>,
}

impl Script {
    fn of(responses: impl IntoIterator<Item = Result<TokenResponse, String>>) -> Self {
        Self {
            now: Cell::new(NOW),
            responses: RefCell::new(responses.into_iter().collect()),
            requests: RefCell::default(),
            logged: RefCell::default(),
        }
    }

    fn respond_with(&self, responses: impl IntoIterator<Item = Result<TokenResponse, String>>) {
        self.responses.borrow_mut().extend(responses);
    }

    /// Gets a token; the scripted servers respond at once.
    fn renew(
        &self,
        credentials: &mut Credentials,
        settings: &Settings,
        keys: Keys,
    ) -> Result<AccessToken, AuthError> {
        credentials.renew(settings, keys, self).now_or_never().expect("renew waits for nothing")
    }

    /// Returns the claims of the assertions that were exchanged, and the URLs of other requests.
    fn requests(&self) -> Vec<Value> {
        let requests = self.requests.take();
        requests
            .iter()
            .map(|request| match request.body.split_once("&assertion=") {
                Some((_, assertion)) => claims(assertion),
                None => json!(request.url),
            })
            .collect()
    }

    fn logged(&self) -> String {
        self.logged.take().join("\n")
    }
}

impl TokenTransport for Script {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    async fn post(&self, request: &TokenRequest) -> Result<TokenResponse, String> {
        self.requests.borrow_mut().push(request.clone());
        self.responses.borrow_mut().pop_front().expect("more requests than the test expects")
    }

    fn log(&self, message: &str) {
        self.logged.borrow_mut().push(message.to_owned());
    }
}

fn response(status: u16, body: &Value) -> Result<TokenResponse, String> {
    Ok(TokenResponse { status, body: body.to_string(), date: Some(NOW) })
}

fn granted(secret: &str) -> Result<TokenResponse, String> {
    response(200, &json!({"access_token": secret, "expires_in": 3599}))
}

fn impersonated(secret: &str) -> Result<TokenResponse, String> {
    response(200, &json!({"accessToken": secret, "expireTime": "2026-11-23T00:00:00Z"}))
}

fn refused() -> Result<TokenResponse, String> {
    response(400, &json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}))
}

/// Returns the refusal of an `iat` that does not fit Google's clock, which shows `date`.
fn clock_skewed(date: Option<Timestamp>) -> Result<TokenResponse, String> {
    let description =
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                       Check your iat and exp values in the JWT claim.";
    let body = json!({"error": "invalid_grant", "error_description": description});
    Ok(TokenResponse { status: 400, body: body.to_string(), date })
}

fn unauthenticated() -> Result<TokenResponse, String> {
    response(401, &json!({"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "Invalid."}}))
}

fn key(secret: &'static str) -> ServiceAccountKey {
    static PEM: OnceLock<String> = OnceLock::new();
    let pem = PEM.get_or_init(|| {
        let key = RsaPrivateKey::new(&mut rand::thread_rng(), 2048).unwrap();
        key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
    });
    // The account distinguishes the two keys.
    let email = secret.to_lowercase();
    let file = json!({"project_id": "p", "client_email": email, "private_key": pem});
    ServiceAccountKey::parse(secret, &file.to_string()).unwrap()
}

fn one_key() -> Keys {
    Keys { first: key(KEY), second: None }
}

fn two_keys() -> Keys {
    Keys { first: key(KEY), second: Some(key(NEXT_KEY)) }
}

fn self_signed() -> Settings {
    Settings { self_signed: true, ..Settings::default() }
}

fn impersonating(self_signed: bool) -> Settings {
    let impersonation = Impersonation { email: "starter@p".into(), endpoint: "https://iam/v1".into() };
    Settings { self_signed, impersonation: Some(impersonation), quota_project: None }
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

/// Returns the issuers of the assertions.
fn issuers(script: &Script) -> Vec<String> {
    script.requests().iter().map(|claims| claims["iss"].as_str().unwrap().to_uppercase()).collect()
}

#[test]
fn the_key_is_exchanged_once_for_as_long_as_the_token_is_good() {
    let script = Script::of([granted("a")]);
    let mut credentials = Credentials::default();
    let token = script.renew(&mut credentials, &Settings::default(), one_key()).unwrap();
    assert_eq!((token.bearer().as_str(), token.project.as_str()), ("Bearer a", "p"));
    let requests = script.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0]["scope"], "https://www.googleapis.com/auth/compute");
    assert_eq!(credentials.token(NOW), Some(&token));
    assert_eq!(credentials.token(Timestamp::from_millis(NOW.as_millis() + HOUR)), None);
}

#[test]
fn a_token_that_the_api_refuses_is_not_used_again() {
    let script = Script::of([granted("a"), granted("b")]);
    let mut credentials = Credentials::default();
    let first = script.renew(&mut credentials, &Settings::default(), one_key()).unwrap();
    credentials.on_refused(&first, &script);
    assert_eq!(credentials.token(NOW), None);
    let second = script.renew(&mut credentials, &Settings::default(), one_key()).unwrap();
    // A concurrent call with the old token is refused later: the new token is kept.
    credentials.on_refused(&first, &script);
    assert_eq!(credentials.token(NOW), Some(&second));
    assert_eq!(script.logged(), "");
}

#[test]
fn a_self_signed_token_asks_nobody() {
    let script = Script::of([]);
    let mut credentials = Credentials::default();
    let token = script.renew(&mut credentials, &self_signed(), one_key()).unwrap();
    assert!(token.is_self_signed);
    assert_eq!(
        claims(&token.bearer()),
        json!({
            "iss": "google_service_account_key",
            "sub": "google_service_account_key",
            "aud": "https://compute.googleapis.com/",
            "iat": NOW.as_secs(),
            "exp": NOW.as_secs() + 3600,
        })
    );
    let minutes = |minutes: u64| Timestamp::from_millis(NOW.as_millis() + minutes * 60 * 1000);
    assert!(token.is_fresh(minutes(54)) && !token.is_fresh(minutes(55)));
}

#[test]
fn once_the_api_refuses_a_self_signed_token_the_key_is_exchanged_for_good() {
    let script = Script::of([]);
    let mut credentials = Credentials::default();
    let token = script.renew(&mut credentials, &self_signed(), one_key()).unwrap();
    credentials.on_refused(&token, &script);
    assert!(script.logged().contains("Google refused the self-signed token"));
    for secret in ["a", "b"] {
        script.respond_with([granted(secret)]);
        let token = script.renew(&mut credentials, &self_signed(), one_key()).unwrap();
        assert_eq!((token.bearer(), token.is_self_signed), (format!("Bearer {secret}"), false));
    }
    assert_eq!(script.logged(), "", "it is logged once");
}

#[test]
fn a_key_that_cannot_sign_is_an_error_with_self_signed_tokens_too() {
    let script = Script::of([]);
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";
    let first = ServiceAccountKey { private_key: pem.to_owned(), ..key(KEY) };
    for settings in [self_signed(), Settings::default()] {
        let keys = Keys { first: first.clone(), second: None };
        let error = script.renew(&mut Credentials::default(), &settings, keys).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("GOOGLE_SERVICE_ACCOUNT_KEY: has a `private_key`"), "{error}");
        assert!(!error.contains("MIIE"), "the key is quoted: {error}");
    }
}

#[test]
fn the_next_key_takes_over_when_the_first_is_refused_and_stays() {
    let script = Script::of([refused(), granted("a")]);
    let mut credentials = Credentials::default();
    let token = script.renew(&mut credentials, &Settings::default(), two_keys()).unwrap();
    assert_eq!(token.bearer(), "Bearer a");
    assert_eq!(issuers(&script), [KEY, NEXT_KEY]);
    assert_eq!(
        script.logged(),
        "https://oauth2.googleapis.com/token refused the service account key of GOOGLE_SERVICE_ACCOUNT_KEY \
         (400 invalid_grant: Invalid JWT Signature.): trying the key of GOOGLE_SERVICE_ACCOUNT_KEY_NEXT instead"
    );

    script.respond_with([granted("b"), granted("c")]);
    script.renew(&mut credentials, &Settings::default(), two_keys()).unwrap();
    assert_eq!(issuers(&script), [NEXT_KEY], "the refused key is not tried again");
    // The second key is now the only one.
    script.renew(&mut credentials, &Settings::default(), one_key()).unwrap();
    assert_eq!(issuers(&script), [KEY]);
    assert_eq!(script.logged(), "");
}

#[test]
fn when_both_keys_are_refused_each_is_tried_once() {
    let script = Script::of([refused(), refused()]);
    let mut credentials = Credentials::default();
    let error = script.renew(&mut credentials, &Settings::default(), two_keys()).unwrap_err();
    assert!(!error.is_transient());
    assert!(
        error.to_string().contains("the service account key of GOOGLE_SERVICE_ACCOUNT_KEY_NEXT"),
        "{error}"
    );
    assert_eq!(issuers(&script), [KEY, NEXT_KEY]);
}

#[test]
fn an_outage_does_not_change_the_key() {
    let script = Script::of([Err("timeout".to_owned()), response(503, &json!({})), granted("a")]);
    let mut credentials = Credentials::default();
    for _ in 0..2 {
        let error = script.renew(&mut credentials, &Settings::default(), two_keys()).unwrap_err();
        assert!(error.is_transient());
    }
    script.renew(&mut credentials, &Settings::default(), two_keys()).unwrap();
    assert_eq!(issuers(&script), [KEY, KEY, KEY]);
}

#[test]
fn a_clock_that_differs_is_corrected_by_the_servers_date() {
    for google_now in [NOW.as_millis() + 3 * HOUR, NOW.as_millis() - 3 * HOUR] {
        let google_now = Timestamp::from_millis(google_now);
        let script = Script::of([clock_skewed(Some(google_now)), granted("a")]);
        let mut credentials = Credentials::default();
        let token = script.renew(&mut credentials, &Settings::default(), one_key()).unwrap();
        let iat = |claims: &Value| claims["iat"].as_u64().unwrap();
        let requests = script.requests();
        assert_eq!(requests.iter().map(iat).collect::<Vec<_>>(), [NOW.as_secs(), google_now.as_secs()]);
        assert!(script.logged().contains("its Date header is used"));
        // A token's lifetime is measured by this clock.
        assert!(token.is_fresh(Timestamp::from_millis(NOW.as_millis() + HOUR / 2)));

        script.respond_with([granted("b")]);
        script.now.set(Timestamp::from_millis(NOW.as_millis() + HOUR));
        script.renew(&mut credentials, &Settings::default(), one_key()).unwrap();
        assert_eq!(iat(&script.requests()[0]), google_now.as_secs() + 3600, "the clock offset is kept");
        let token = script.renew(&mut credentials, &self_signed(), one_key()).unwrap();
        assert_eq!(iat(&claims(&token.bearer())), google_now.as_secs() + 3600);
    }
}

#[test]
fn a_clock_is_corrected_once_and_only_if_the_server_tells_the_time() {
    let script = Script::of([clock_skewed(Some(NOW)), clock_skewed(Some(NOW)), clock_skewed(None)]);
    for requests in [2, 1] {
        let error = script.renew(&mut Credentials::default(), &Settings::default(), one_key()).unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("Check your iat and exp"), "{error}");
        assert_eq!(script.requests().len(), requests);
    }
}

#[test]
fn another_account_is_impersonated_with_a_token_that_can_do_no_more() {
    let script = Script::of([granted("own"), impersonated("a")]);
    let mut credentials = Credentials::default();
    let token = script.renew(&mut credentials, &impersonating(false), one_key()).unwrap();
    assert_eq!((token.bearer().as_str(), token.project.as_str()), ("Bearer a", "p"));
    let authorization = script.requests.borrow()[1].authorization.clone();
    assert_eq!(authorization.as_deref(), Some("Bearer own"));
    let requests = script.requests();
    assert_eq!(requests[0]["scope"], "https://www.googleapis.com/auth/iam");
    assert_eq!(requests[1], "https://iam/v1/projects/-/serviceAccounts/starter@p:generateAccessToken");
    assert_eq!(credentials.token(NOW), Some(&token));
}

#[test]
fn a_refusal_to_impersonate_is_final_and_no_fault_of_the_key() {
    let denied = response(403, &json!({"error": {"status": "PERMISSION_DENIED", "message": "denied"}}));
    let script = Script::of([granted("own"), denied]);
    let error = script.renew(&mut Credentials::default(), &impersonating(false), two_keys()).unwrap_err();
    assert!(error.to_string().ends_with("refused to impersonate starter@p (403 PERMISSION_DENIED: denied)"));
    assert!(!error.is_transient());
    assert_eq!(script.requests().len(), 2);
}

#[test]
fn a_self_signed_token_saves_a_call_of_an_impersonation_too() {
    let script = Script::of([impersonated("a")]);
    let mut credentials = Credentials::default();
    let token = script.renew(&mut credentials, &impersonating(true), one_key()).unwrap();
    assert_eq!((token.bearer().as_str(), token.is_self_signed), ("Bearer a", false));
    let own = script.requests.take()[0].authorization.clone().unwrap();
    assert_eq!(claims(&own)["aud"], "https://iamcredentials.googleapis.com/");

    // Until the self-signed token is refused.
    script.respond_with([unauthenticated(), granted("own"), impersonated("b")]);
    let token = script.renew(&mut credentials, &impersonating(true), one_key()).unwrap();
    assert_eq!(token.bearer(), "Bearer b");
    assert!(script.logged().contains("Google refused the self-signed token"));
    script.requests();
    script.respond_with([granted("own"), impersonated("c")]);
    script.renew(&mut credentials, &impersonating(true), one_key()).unwrap();
    assert_eq!(script.requests().len(), 2);
}
