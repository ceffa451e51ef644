//! An emulator on free ports, and a client with a token.

use std::future::Future;
use std::time::{Duration, SystemTime};

use base64::prelude::{Engine, BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use gce_emulator::{Emulator, Options, Running, Timing};
use reqwest::{Client, Method, RequestBuilder};
use ring::rand::SystemRandom;
use ring::signature::{RsaKeyPair, RSA_PKCS1_SHA256};
use serde_json::{json, Value};

pub const ZONE: &str = "us-central1-a";
pub const INSTANCE_PORT: u16 = 18_080;
/// A time that no test can wait for.
pub const NEVER: u64 = 3_600_000;
pub const QUICK: Timing =
    Timing { provision_ms: 10, stage_ms: 10, boot_ms: 10, stop_ms: 10, suspend_ms: 10, resume_ms: 10 };
const DEADLINE: Duration = Duration::from_secs(30);

pub struct Google {
    pub endpoint: String,
    pub http: Client,
    pub key: Value,
    pub token: String,
    /// `None` means that the emulator is a process of its own.
    _running: Option<Running>,
}

impl Google {
    pub async fn start(timing: Timing) -> Self {
        Self::start_with(Options { timing, ..options() }).await
    }

    pub async fn start_with(options: Options) -> Self {
        let running = Emulator::start(options).await.expect("the emulator starts");
        Self::connect(running.endpoint().to_owned(), Some(running)).await
    }

    pub async fn connect(endpoint: String, running: Option<Running>) -> Self {
        let http = client();
        let key = http.get(format!("{endpoint}/emulator/service-account.json")).send().await.unwrap();
        let key = key.json().await.unwrap();
        let mut google = Self { endpoint, http, key, token: String::new(), _running: running };
        let (status, granted) = google.grant(&google.assertion(json!({}))).await;
        assert_eq!(status, 200, "{granted}");
        google.token = granted["access_token"].as_str().unwrap().to_owned();
        google
    }

    /// Signs a valid assertion with some claims replaced; null removes a claim.
    pub fn assertion(&self, claims: Value) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut all = json!({
            "iss": self.key["client_email"],
            "aud": self.key["token_uri"],
            "iat": now,
            "exp": now + 3600,
            "scope": "https://www.googleapis.com/auth/compute",
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.sign(json!({ "alg": "RS256", "kid": self.key["private_key_id"] }), all)
    }

    pub fn sign(&self, header: Value, claims: Value) -> String {
        let encode = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let pem = self.key["private_key"].as_str().unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let pair = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(body).unwrap()).unwrap();
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    pub async fn grant(&self, assertion: &str) -> (u16, Value) {
        let grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", grant_type)
            .append_pair("assertion", assertion)
            .finish();
        self.grant_form(form).await
    }

    pub async fn grant_form(&self, form: String) -> (u16, Value) {
        let url = self.key["token_uri"].as_str().unwrap();
        let request =
            self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        send(request).await
    }

    /// Builds a request below the project, without a token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/compute/v1/projects/emulator-project/{path}", self.endpoint);
        self.http.request(method, url)
    }

    /// Calls a method below the project.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.request(method, path).bearer_auth(&self.token);
        send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str) -> (u16, Value) {
        self.call(Method::POST, path, None).await
    }

    pub async fn insert(&self, body: Value) -> (u16, Value) {
        self.call(Method::POST, &format!("zones/{ZONE}/instances"), Some(body)).await
    }

    pub async fn instance(&self, name: &str) -> Value {
        self.get(&format!("zones/{ZONE}/instances/{name}")).await.1
    }

    pub async fn delete(&self, path: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, None).await
    }

    /// Calls a method and waits for its operation, which must succeed.
    pub async fn done(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, operation) = self.call(method, path, body).await;
        assert_eq!(status, 200, "{operation}");
        let done = self.wait(&operation).await;
        assert_eq!(done["error"], Value::Null, "{done}");
        done
    }

    /// Calls `start`, `stop` or the like and waits for the operation.
    pub async fn change(&self, name: &str, verb: &str) -> Value {
        let (status, operation) = self.post(&format!("zones/{ZONE}/instances/{name}/{verb}")).await;
        assert_eq!(status, 200, "{operation}");
        self.wait(&operation).await
    }

    pub async fn wait(&self, operation: &Value) -> Value {
        let name = operation["name"].as_str().unwrap();
        let link = operation["selfLink"].as_str().and_then(|link| link.split_once("/emulator-project/"));
        let path =
            link.map_or_else(|| format!("zones/{ZONE}/operations/{name}"), |(_, path)| path.to_owned());
        let (status, done) = self.post(&format!("{path}/wait")).await;
        assert_eq!((status, &done["status"]), (200, &json!("DONE")), "{done}");
        done
    }

    /// Creates an instance and returns the root of its server, which listens.
    pub async fn create(&self, name: &str) -> String {
        let (status, operation) = self.insert(instance(name)).await;
        assert_eq!(status, 200, "{operation}");
        let done = self.wait(&operation).await;
        assert_eq!(done["error"], Value::Null);
        self.listening(name).await
    }

    pub async fn listening(&self, name: &str) -> String {
        eventually("the server listens", || async {
            let report = self.report(name).await?;
            let root = report["url"].as_str()?.to_owned();
            (report["listening"] == true).then_some(root)
        })
        .await
    }

    /// Returns the entry of an instance in `/emulator/instances`.
    pub async fn report(&self, name: &str) -> Option<Value> {
        let (_, list) = self.control(Method::GET, "instances", None).await;
        list["instances"].as_array().unwrap().iter().find(|instance| instance["name"] == name).cloned()
    }

    pub async fn control(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.http.request(method, format!("{}/emulator/{path}", self.endpoint));
        send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }
}

pub fn options() -> Options {
    Options { port: 0, instance_port: INSTANCE_PORT, quiet: true, timing: QUICK, ..Options::default() }
}

/// Builds a client that opens a connection for each request and follows no redirect.
pub fn client() -> Client {
    let no_redirect = reqwest::redirect::Policy::none();
    Client::builder().pool_max_idle_per_host(0).redirect(no_redirect).timeout(DEADLINE).build().unwrap()
}

/// Returns a body of `instances.insert`.
pub fn instance(name: &str) -> Value {
    json!({
        "name": name,
        "machineType": format!("zones/{ZONE}/machineTypes/n1-standard-1"),
        "disks": [{
            "boot": true,
            "initializeParams": { "sourceImage": "projects/debian-cloud/global/images/family/debian-12", "diskSizeGb": 10 },
        }],
        "networkInterfaces": [{ "accessConfigs": [{}] }],
    })
}

/// Polls until there is a result, and panics after a while.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut poll: impl FnMut() -> F) -> T {
    let polling = async {
        loop {
            if let Some(result) = poll().await {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, polling).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Returns `true` if a server listens at this root.
pub async fn accepts(root: &str) -> bool {
    tokio::net::TcpStream::connect(root.trim_start_matches("http://")).await.is_ok()
}

async fn send(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("a response");
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) };
    (status, body)
}
