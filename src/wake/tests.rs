//! Tests of the rules with a table of requests. `tests/e2e/wake.test.ts` tests the built Worker
//! with the same table.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{json, Value};

use super::*;
use crate::config::parse_vms;
use crate::vm::Vm;

#[derive(Deserialize)]
struct Table {
    secret: String,
    rules: BTreeMap<String, Value>,
    requests: Vec<Row>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    rules: String,
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cf: Value,
    #[serde(rename = "refused_by")]
    blocked_by: Option<String>,
}

impl RequestInfo for Row {
    fn method(&self) -> String {
        self.method.clone()
    }

    fn path(&self) -> &str {
        self.path.split('?').next().unwrap()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }

    fn country(&self) -> Option<String> {
        Some(self.cf["country"].as_str()?.to_owned())
    }

    fn is_of_verified_bot(&self) -> bool {
        match self.cf["verifiedBotCategory"].as_str() {
            None | Some("") => self.cf["botManagement"]["verifiedBot"] == true,
            Some(category) => category != "Webhooks",
        }
    }
}

fn configured(wake: &Value) -> Vm {
    let instance = json!({"name": "backend", "zone": "us-central1-a"});
    let vms = parse_vms(&json!([{"path": "/", "wake": wake, "instance": instance}]).to_string());
    vms.unwrap().remove(0)
}

#[test]
fn each_request_wakes_the_vm_or_does_not() {
    let table: Table = serde_json::from_str(include_str!("../../tests/data/wake-requests.json")).unwrap();
    assert!(table.requests.len() > 150);
    for row in &table.requests {
        let rules = configured(&table.rules[&row.rules]).wake;
        let secret = rules.secret.as_ref().map(|_| table.secret.as_str());
        assert_eq!(blocked_by(&rules, secret, row), row.blocked_by.as_deref(), "{}", row.what);
    }
}

#[test]
fn without_the_secrets_value_nobody_has_it() {
    let rules = configured(&json!({"secret": "WAKE_SECRET"})).wake;
    for authorization in ["", "Bearer ", "Bearer x"] {
        let headers = BTreeMap::from([("authorization".into(), authorization.into())]);
        let row = Row { method: "GET".into(), path: "/".into(), headers, ..Row::default() };
        assert_eq!(blocked_by(&rules, None, &row), Some("secret"), "{authorization}");
    }
}

#[test]
fn the_first_response_that_fits_is_given() {
    let rules = configured(&json!({"asleep_response": [
        {"path": "/robots.txt", "body": "none"},
        {"path": "/api/*", "user_agent": "Uptime*2", "status": 204},
        {"user_agent": "uptime", "status": 200},
    ]}))
    .wake;
    for (path, agent, expected) in [
        ("/robots.txt", "UptimeRobot/2.0", Some((503, "none"))),
        ("/api/x", "UptimeRobot/2.0", Some((204, ""))),
        ("/api/x", "UptimeRobot/1.0", Some((200, ""))),
        ("/", "UptimeRobot/2.0", Some((200, ""))),
        ("/api/x", "curl", None),
    ] {
        let headers = BTreeMap::from([("user-agent".into(), agent.into())]);
        let row = Row { path: path.into(), headers, ..Row::default() };
        let given = asleep_response(&rules, &row).map(|given| (given.status, given.body.as_str()));
        assert_eq!(given, expected, "{path} {agent}");
    }
}

#[test]
fn a_client_is_an_address_or_a_network_of_one() {
    for (address, expected) in [
        ("203.0.113.7", Some("203.0.113.7/32")),
        ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::/64")),
        ("2001:db8:1:2::", Some("2001:db8:1:2::/64")),
        ("::ffff:203.0.113.7", Some("203.0.113.7/32")),
        ("unknown", None),
    ] {
        let headers = BTreeMap::from([("cf-connecting-ip".into(), address.into())]);
        assert_eq!(client(&Row { headers, ..Row::default() }).as_deref(), expected, "{address}");
    }
    assert_eq!(client(&Row::default()), None);
}
