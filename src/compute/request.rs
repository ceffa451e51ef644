//! The calls of the API, and their HTTP requests.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::change::{BringUp, Change, TakeDown};
use super::drift::{self, Update};
use super::resource::{instance_resource, resource_path};
use crate::vm::Instance;

/// The fields of an Instance that are read, besides [`drift::FIELDS`]. A complete Instance is many
/// times as long.
///
/// See <https://cloud.google.com/compute/docs/api/how-tos/performance#partial-response>.
const INSTANCE_FIELDS: &str =
    "fields=status,networkInterfaces(networkIP,accessConfigs/natIP,ipv6AccessConfigs/externalIpv6)";

/// The fields of an Operation that are read.
const OPERATION_FIELDS: &str = "fields=name,status,error/errors(code,message),httpErrorStatusCode";

/// A call of the Compute API about one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `instances.get`: whether the instance exists, and its status.
    Get,
    /// A change of the instance's state. The response is an operation.
    Change {
        /// The change.
        change: Change,
        /// Makes the call idempotent: a repetition with the same id has no further effect.
        request_id: RequestId,
    },
    /// An update of a setting of the instance. The response is an operation.
    Update {
        /// The update.
        update: Update,
        /// Makes the call idempotent.
        request_id: RequestId,
    },
    /// `zoneOperations.wait`: responds when the operation is done, or after two minutes.
    Wait {
        /// The operation.
        operation: OperationName,
    },
}

impl Call {
    /// Returns the method's name in the API, such as `instances.insert`.
    pub fn method_id(&self) -> &'static str {
        match self {
            Call::Get => "instances.get",
            Call::Change { change, .. } => change.method_id(),
            Call::Update { update, .. } => update.method_id(),
            Call::Wait { .. } => "zoneOperations.wait",
        }
    }

    /// Returns the time limit for the response. `wait` alone may hold its response for up to two
    /// minutes.
    pub fn timeout(&self) -> Duration {
        match self {
            Call::Wait { .. } => Duration::from_secs(150),
            Call::Get | Call::Change { .. } | Call::Update { .. } => Duration::from_secs(30),
        }
    }

    /// Returns the HTTP request of this call. It selects only the fields that
    /// [`Response::read`](super::Response::read) reads.
    pub fn http_request(&self, target: &Target<'_>) -> HttpRequest {
        let mut request = self.plain_request(target);
        request.url.push(if request.url.contains('?') { '&' } else { '?' });
        match self {
            Call::Get => request.url.extend([INSTANCE_FIELDS, ",", drift::FIELDS]),
            Call::Change { .. } | Call::Update { .. } | Call::Wait { .. } => {
                request.url.push_str(OPERATION_FIELDS);
            }
        }
        request
    }

    fn plain_request(&self, target: &Target<'_>) -> HttpRequest {
        let Target { endpoint, project, zone, instance } = target;
        let endpoint = endpoint.trim_end_matches('/');
        let project = instance.project.as_deref().unwrap_or(project);
        let name = &instance.name;
        let in_zone = format!("{endpoint}/projects/{project}/zones/{zone}");
        match self {
            Call::Get => HttpRequest::get(format!("{in_zone}/instances/{name}")),
            Call::Wait { operation } => HttpRequest::post(format!("{in_zone}/operations/{operation}/wait")),
            Call::Update { update, request_id } => HttpRequest {
                body: Some(update.body(instance, zone).to_string()),
                ..HttpRequest::post(format!(
                    "{in_zone}/instances/{name}/{}?requestId={request_id}",
                    update.verb()
                ))
            },
            Call::Change { change, request_id } => {
                let instances = format!("{in_zone}/instances");
                match change {
                    Change::Up(bring_up @ (BringUp::Insert | BringUp::InsertStandard)) => HttpRequest {
                        body: Some(
                            instance_resource(instance, zone, bring_up.provisioning(instance)).to_string(),
                        ),
                        ..HttpRequest::post(format!(
                            "{instances}?requestId={request_id}{}",
                            template_query(instance)
                        ))
                    },
                    Change::Down(TakeDown::Delete) => HttpRequest {
                        method: "DELETE",
                        ..HttpRequest::post(format!("{instances}/{name}?requestId={request_id}"))
                    },
                    Change::Up(BringUp::Start | BringUp::Resume)
                    | Change::Down(TakeDown::Stop | TakeDown::Suspend) => {
                        let verb = change.verb();
                        HttpRequest::post(format!("{instances}/{name}/{verb}?requestId={request_id}"))
                    }
                }
            }
        }
    }
}

/// Returns the query parameter of the instance template. Its URL needs no percent-encoding: the
/// configuration's check allows only names and slashes.
fn template_query(instance: &Instance) -> String {
    let template = instance.source_instance_template.as_deref();
    let url = template.map(|template| resource_path(template, "global/instanceTemplates/"));
    url.map_or(String::new(), |url| format!("&sourceInstanceTemplate={url}"))
}

/// The `requestId` of a change: a UUID (RFC 9562).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl RequestId {
    /// Derives the id with this number of an object with this random identity. It is always the
    /// same, so a state machine that runs again after a loss repeats the same call.
    pub fn derive(identity: u64, number: u64) -> Self {
        let (high, low) = (identity >> 16, identity & 0xffff);
        // 48 bits of the identity, version 4, 12 bits of the identity, the variant with the
        // remaining 4 bits, and 48 bits of the number.
        Self(format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 16,
            high & 0xffff,
            low & 0xfff,
            0x8000 | (low >> 12),
            number & 0xffff_ffff_ffff
        ))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a zone operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationName(pub String);

impl fmt::Display for OperationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The instance that a call refers to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The API's base URL, such as `https://compute.googleapis.com/compute/v1`.
    pub endpoint: &'a str,
    /// The ID of the project, unless the instance has its own.
    pub project: &'a str,
    /// The zone in which the instance is, or is created.
    pub zone: &'a str,
    /// The instance.
    pub instance: &'a Instance,
}

/// An HTTP request without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: &'static str,
    /// The complete URL.
    pub url: String,
    /// The JSON body.
    pub body: Option<String>,
}

impl HttpRequest {
    fn get(url: String) -> Self {
        Self { method: "GET", url, body: None }
    }

    fn post(url: String) -> Self {
        Self { method: "POST", url, body: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(call: &Call) -> HttpRequest {
        let instance =
            Instance { name: "backend".into(), zone: "us-central1-a".into(), ..Instance::default() };
        let endpoint = "https://compute.googleapis.com/compute/v1";
        call.http_request(&Target { endpoint, project: "p", zone: "us-central1-a", instance: &instance })
    }

    #[test]
    fn calls_are_the_requests_of_the_discovery_document() {
        let zone = "https://compute.googleapis.com/compute/v1/projects/p/zones/us-central1-a";
        let id = RequestId::derive(7, 1);
        let get_url = format!("{zone}/instances/backend?{INSTANCE_FIELDS},{}", drift::FIELDS);
        assert_eq!(request(&Call::Get), HttpRequest::get(get_url));
        let operation = OperationName("operation-1".into());
        assert_eq!(
            request(&Call::Wait { operation }),
            HttpRequest::post(format!("{zone}/operations/operation-1/wait?{OPERATION_FIELDS}"))
        );
        for (change, method, path) in [
            (BringUp::Start.into(), "POST", "/backend/start"),
            (BringUp::Resume.into(), "POST", "/backend/resume"),
            (TakeDown::Stop.into(), "POST", "/backend/stop"),
            (TakeDown::Suspend.into(), "POST", "/backend/suspend"),
            (TakeDown::Delete.into(), "DELETE", "/backend"),
        ] {
            let got = request(&Call::Change { change, request_id: id.clone() });
            let url = format!("{zone}/instances{path}?requestId={id}&{OPERATION_FIELDS}");
            assert_eq!(got, HttpRequest { method, url, body: None });
        }
        let insert = request(&Call::Change { change: BringUp::Insert.into(), request_id: id.clone() });
        let url = format!("{zone}/instances?requestId={id}&{OPERATION_FIELDS}");
        assert_eq!((insert.method, insert.url), ("POST", url));
        assert!(insert.body.unwrap().contains("\"name\":\"backend\""));
    }

    #[test]
    fn an_instance_may_be_in_another_project_and_made_from_a_template() {
        let id = RequestId::derive(7, 1);
        for (template, url) in [
            ("web", "global/instanceTemplates/web"),
            ("regions/us-central1/instanceTemplates/web", "regions/us-central1/instanceTemplates/web"),
        ] {
            let instance = Instance {
                name: "backend".into(),
                project: Some("example.com:other".into()),
                ..Instance::from_template(template)
            };
            let target = Target { endpoint: "https://api", project: "p", zone: "z", instance: &instance };
            let call = Call::Change { change: BringUp::Insert.into(), request_id: id.clone() };
            let instances = "https://api/projects/example.com:other/zones/z/instances";
            let expected = HttpRequest {
                method: "POST",
                url: format!("{instances}?requestId={id}&sourceInstanceTemplate={url}&{OPERATION_FIELDS}"),
                body: Some(r#"{"name":"backend"}"#.to_owned()),
            };
            assert_eq!(call.http_request(&target), expected);
            let get_url = format!("{instances}/backend?{INSTANCE_FIELDS},{}", drift::FIELDS);
            assert_eq!(Call::Get.http_request(&target).url, get_url);
        }
    }

    #[test]
    fn request_ids_are_distinct_uuids() {
        let id = RequestId::derive(u64::MAX, 1).to_string();
        assert_eq!(id, "ffffffff-ffff-4fff-800f-000000000001");
        assert_ne!(id, RequestId::derive(u64::MAX, 2).to_string());
        assert_ne!(id, RequestId::derive(u64::MAX - 1, 1).to_string());
    }
}
