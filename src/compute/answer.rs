//! The API's answers, cut down to what the lifecycle asks of them.

use std::net::IpAddr;

use serde::Deserialize;

use super::call::{Call, OperationName};
use super::drift::{Difference, Metadata, Scheduling, Settings, Tags};
use super::error::{ApiError, CallError};
use crate::vm::{Address, Instance};

/// What a successful call said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The answer to [`Call::Look`].
    Instance(InstanceView),
    /// The answer to every other call.
    Operation(OperationView),
}

impl Answer {
    /// Reads the answer to `call`, which was about `instance`.
    ///
    /// # Errors
    /// The API's error, or that the answer is not what the API documents.
    pub fn read(call: &Call, instance: &Instance, status: u16, body: &str) -> Result<Self, CallError> {
        if !(200..300).contains(&status) {
            return Err(CallError::Api(ApiError::read(status, body)));
        }
        let unreadable = |error: serde_json::Error| {
            CallError::Unreadable(format!("the answer to {}: {error}", call.method_id()))
        };
        match call {
            Call::Look => {
                let resource: InstanceResource = serde_json::from_str(body).map_err(unreadable)?;
                Ok(Answer::Instance(resource.view(instance)))
            }
            Call::Mutate { .. } | Call::Adapt { .. } | Call::Wait { .. } => {
                let resource: OperationResource = serde_json::from_str(body).map_err(unreadable)?;
                Ok(Answer::Operation(resource.into()))
            }
        }
    }
}

/// An instance, as far as its life is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceView {
    /// What it is doing.
    pub status: InstanceStatus,
    /// The address that it is reached at, of those of its first interfaces.
    pub external_ip: Option<IpAddr>,
    /// In what it differs from the configuration.
    pub drift: Vec<Difference>,
}

/// The `status` of an instance.
///
/// See <https://cloud.google.com/compute/docs/instances/instance-lifecycle>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceStatus {
    /// Waiting for other resources.
    Pending,
    /// Resources are being allocated.
    Provisioning,
    /// Resources are there, the first boot is prepared.
    Staging,
    /// The guest boots or runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// A graceful shutdown runs before the stop.
    PendingStop,
    /// Its resources are being given back.
    Deprovisioning,
    /// It is stopped: the API's newer word.
    Stopped,
    /// It is stopped.
    Terminated,
    /// It is being suspended.
    Suspending,
    /// It is suspended.
    Suspended,
    /// Compute Engine repairs it after a host error.
    Repairing,
    /// A status that this program does not know.
    #[serde(other)]
    Unknown,
}

/// What an instance is when it is neither on its way up nor down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It runs.
    Running,
    /// It is stopped.
    Stopped,
    /// It is suspended.
    Suspended,
}

impl InstanceStatus {
    /// Whether, and as what, the instance has come to rest. A status that is not known is taken for a passing one.
    pub fn settled(&self) -> Option<Settled> {
        match self {
            InstanceStatus::Running => Some(Settled::Running),
            InstanceStatus::Stopped | InstanceStatus::Terminated => Some(Settled::Stopped),
            InstanceStatus::Suspended => Some(Settled::Suspended),
            InstanceStatus::Pending
            | InstanceStatus::Provisioning
            | InstanceStatus::Staging
            | InstanceStatus::Stopping
            | InstanceStatus::PendingStop
            | InstanceStatus::Deprovisioning
            | InstanceStatus::Suspending
            | InstanceStatus::Repairing
            | InstanceStatus::Unknown => None,
        }
    }
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationView {
    /// Its name, to wait for it.
    pub name: OperationName,
    /// Whether it has ended, and how.
    pub outcome: Option<Result<(), ApiError>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InstanceResource {
    status: InstanceStatus,
    #[serde(default)]
    network_interfaces: Vec<NetworkInterface>,
    machine_type: Option<String>,
    scheduling: Option<Scheduling>,
    tags: Option<Tags>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkInterface {
    #[serde(rename = "networkIP")]
    network_ip: Option<IpAddr>,
    #[serde(default)]
    access_configs: Vec<AccessConfig>,
}

#[derive(Deserialize)]
struct AccessConfig {
    #[serde(rename = "natIP")]
    nat_ip: Option<IpAddr>,
}

impl InstanceResource {
    fn view(self, instance: &Instance) -> InstanceView {
        let mut interfaces = self.network_interfaces.iter();
        let external_ip = match instance.address {
            Address::External => {
                interfaces.flat_map(|interface| &interface.access_configs).find_map(|config| config.nat_ip)
            }
            Address::Internal => interfaces.find_map(|interface| interface.network_ip),
        };
        let Self { machine_type, scheduling, tags, metadata, .. } = self;
        let settings = Settings { machine_type, scheduling, tags, metadata };
        InstanceView { status: self.status, external_ip, drift: settings.differences(instance) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationResource {
    name: OperationName,
    status: String,
    error: Option<OperationErrors>,
    http_error_status_code: Option<u16>,
}

#[derive(Deserialize)]
struct OperationErrors {
    #[serde(default)]
    errors: Vec<OperationError>,
}

#[derive(Deserialize)]
struct OperationError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl From<OperationResource> for OperationView {
    fn from(resource: OperationResource) -> Self {
        let ended = || {
            let Some(error) = resource.error.and_then(|error| error.errors.into_iter().next()) else {
                return Ok(());
            };
            let status = resource.http_error_status_code.unwrap_or(400);
            Err(ApiError { status, reason: error.code, message: error.message })
        };
        let outcome = (resource.status == "DONE").then(ended);
        Self { name: resource.name, outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::{Mutation, RequestId};

    #[test]
    fn an_instance_is_read_with_its_address() {
        let body = r#"{"kind": "compute#instance", "status": "RUNNING", "networkInterfaces":
            [{"networkIP": "10.0.0.2", "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "natIP": "203.0.113.9"}]}]}"#;
        for (address, ip) in [(Address::External, [203, 0, 113, 9]), (Address::Internal, [10, 0, 0, 2])] {
            let instance = Instance { address, ..Instance::default() };
            let Ok(Answer::Instance(view)) = Answer::read(&Call::Look, &instance, 200, body) else {
                panic!()
            };
            assert_eq!(view.status, InstanceStatus::Running);
            assert_eq!(view.external_ip, Some(IpAddr::from(ip)), "{address:?}");
        }
    }

    #[test]
    fn every_status_of_the_api_is_known_and_a_new_one_is_no_error() {
        for (text, status) in [
            ("PENDING", InstanceStatus::Pending),
            ("PROVISIONING", InstanceStatus::Provisioning),
            ("STAGING", InstanceStatus::Staging),
            ("RUNNING", InstanceStatus::Running),
            ("STOPPING", InstanceStatus::Stopping),
            ("PENDING_STOP", InstanceStatus::PendingStop),
            ("DEPROVISIONING", InstanceStatus::Deprovisioning),
            ("STOPPED", InstanceStatus::Stopped),
            ("TERMINATED", InstanceStatus::Terminated),
            ("SUSPENDING", InstanceStatus::Suspending),
            ("SUSPENDED", InstanceStatus::Suspended),
            ("REPAIRING", InstanceStatus::Repairing),
            ("HIBERNATING", InstanceStatus::Unknown),
        ] {
            let answer =
                Answer::read(&Call::Look, &Instance::default(), 200, &format!(r#"{{"status": "{text}"}}"#));
            assert_eq!(
                answer,
                Ok(Answer::Instance(InstanceView { status, external_ip: None, drift: vec![] })),
                "{text}"
            );
        }
    }

    #[test]
    fn an_operation_that_failed_is_an_answer_with_the_reason_inside() {
        let call = Call::Mutate { mutation: Mutation::Insert, request_id: RequestId::derive(1, 1) };
        let body = r#"{"name": "operation-1", "status": "DONE", "httpErrorStatusCode": 503, "error": {"errors":
            [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "no capacity"}]}}"#;
        let Ok(Answer::Operation(operation)) = Answer::read(&call, &Instance::default(), 200, body) else {
            panic!()
        };
        let error = operation.outcome.unwrap().unwrap_err();
        assert_eq!((error.status, error.reason.as_str()), (503, "ZONE_RESOURCE_POOL_EXHAUSTED"));

        let running =
            Answer::read(&call, &Instance::default(), 200, r#"{"name": "operation-1", "status": "RUNNING"}"#);
        let view = OperationView { name: OperationName("operation-1".into()), outcome: None };
        assert_eq!(running, Ok(Answer::Operation(view)));
    }

    #[test]
    fn an_answer_that_is_no_json_says_which_call_it_was() {
        let error = Answer::read(&Call::Look, &Instance::default(), 200, "<html>").unwrap_err();
        assert!(error.to_string().contains("instances.get"), "{error}");
    }
}
