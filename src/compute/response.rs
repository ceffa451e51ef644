//! The API's answers, cut down to what the lifecycle asks of them.

use std::net::IpAddr;

use serde_json::Value;

use super::drift::{differences, ready, Difference, Update};
use super::error::{ApiError, CallError};
use super::request::{Call, OperationName};
use crate::vm::{Address, Instance};

/// What a successful call said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The answer to [`Call::Get`].
    Instance(InstanceView),
    /// The answer to every other call.
    Operation(OperationView),
}

impl Response {
    /// Reads the answer to `call`, which was about `instance`.
    ///
    /// # Errors
    /// The API's error, or that the answer is not what the API documents.
    pub fn read(call: &Call, instance: &Instance, status: u16, body: &str) -> Result<Self, CallError> {
        if !(200..300).contains(&status) {
            return Err(CallError::Api(ApiError::read(status, body)));
        }
        let unreadable =
            |why: String| CallError::Unreadable(format!("the answer to {}: {why}", call.method_id()));
        let resource: Value = serde_json::from_str(body).map_err(|error| unreadable(error.to_string()))?;
        let response = match call {
            Call::Get => view(&resource, instance).map(Response::Instance),
            Call::Change { .. } | Call::Update { .. } | Call::Wait { .. } => {
                operation(&resource).map(Response::Operation)
            }
        };
        response.ok_or_else(|| unreadable("it has no name or no status".to_owned()))
    }
}

/// An instance, as far as its life is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceView {
    /// What it is doing.
    pub status: InstanceStatus,
    /// The address that it is reached at ([`Instance::address`]), if it has one.
    pub ip: Option<IpAddr>,
    /// In what it differs from the configuration.
    pub drift: Vec<Difference>,
    /// What tells it how it may say that it is ready.
    pub ready: Option<Update>,
}

/// The `status` of an instance.
///
/// See <https://cloud.google.com/compute/docs/instances/instance-lifecycle>.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    Unknown,
}

/// What an instance is when it is neither on its way up nor down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StableStatus {
    /// It runs.
    Running,
    /// It is stopped.
    Stopped,
    /// It is suspended.
    Suspended,
}

impl InstanceStatus {
    fn named(name: &str) -> Self {
        match name {
            "PENDING" => InstanceStatus::Pending,
            "PROVISIONING" => InstanceStatus::Provisioning,
            "STAGING" => InstanceStatus::Staging,
            "RUNNING" => InstanceStatus::Running,
            "STOPPING" => InstanceStatus::Stopping,
            "PENDING_STOP" => InstanceStatus::PendingStop,
            "DEPROVISIONING" => InstanceStatus::Deprovisioning,
            "STOPPED" => InstanceStatus::Stopped,
            "TERMINATED" => InstanceStatus::Terminated,
            "SUSPENDING" => InstanceStatus::Suspending,
            "SUSPENDED" => InstanceStatus::Suspended,
            "REPAIRING" => InstanceStatus::Repairing,
            _ => InstanceStatus::Unknown,
        }
    }

    /// Whether, and as what, the instance has come to rest. A status that is not known is taken for a passing one.
    pub fn stable(&self) -> Option<StableStatus> {
        match self {
            InstanceStatus::Running => Some(StableStatus::Running),
            InstanceStatus::Stopped | InstanceStatus::Terminated => Some(StableStatus::Stopped),
            InstanceStatus::Suspended => Some(StableStatus::Suspended),
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

/// What an Instance resource says, if it is one.
fn view(resource: &Value, instance: &Instance) -> Option<InstanceView> {
    let status = InstanceStatus::named(resource.get("status")?.as_str()?);
    // An interface has one access configuration of each kind at most.
    let address = match instance.address {
        Address::External => "/accessConfigs/0/natIP",
        Address::Internal => "/networkIP",
        Address::Ipv6 => "/ipv6AccessConfigs/0/externalIpv6",
    };
    let mut interfaces = resource.get("networkInterfaces").and_then(Value::as_array).into_iter().flatten();
    let ip = interfaces.find_map(|interface| interface.pointer(address)?.as_str()?.parse().ok());
    Some(InstanceView { status, ip, drift: differences(resource, instance), ready: ready(resource) })
}

/// What an Operation resource says, if it is one.
fn operation(resource: &Value) -> Option<OperationView> {
    let text = |pointer| Some(resource.pointer(pointer)?.as_str()?.to_owned());
    let name = OperationName(text("/name")?);
    let ended = || {
        if resource.pointer("/error/errors/0").is_none() {
            return Ok(());
        }
        let status = resource.get("httpErrorStatusCode").and_then(Value::as_u64);
        let status = status.and_then(|status| status.try_into().ok()).unwrap_or(400);
        let reason = text("/error/errors/0/code").unwrap_or_default();
        Err(ApiError { status, reason, message: text("/error/errors/0/message").unwrap_or_default() })
    };
    let outcome = (text("/status")? == "DONE").then(ended);
    Some(OperationView { name, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::{BringUp, RequestId};

    #[test]
    fn an_instance_is_read_with_its_address() {
        let body = r#"{"kind": "compute#instance", "status": "RUNNING", "networkInterfaces": [{
            "networkIP": "10.0.0.2",
            "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "natIP": "203.0.113.9"}],
            "ipv6AccessConfigs": [{"type": "DIRECT_IPV6", "externalIpv6": "2600:1900:4000:1::", "externalIpv6PrefixLength": 96}]
        }]}"#;
        for (address, ip) in [
            (Address::External, "203.0.113.9"),
            (Address::Internal, "10.0.0.2"),
            (Address::Ipv6, "2600:1900:4000:1::"),
        ] {
            assert_eq!(address_in(body, address), Some(ip.parse().unwrap()), "{address:?}");
        }
    }

    #[test]
    fn an_address_of_another_kind_will_not_do() {
        let body = r#"{"status": "RUNNING", "networkInterfaces": [{"networkIP": "10.0.0.2", "accessConfigs": [{}]}]}"#;
        assert_eq!(address_in(body, Address::External), None);
        assert_eq!(address_in(body, Address::Ipv6), None);
    }

    fn address_in(body: &str, address: Address) -> Option<IpAddr> {
        let instance = Instance { address, ..Instance::default() };
        let Ok(Response::Instance(view)) = Response::read(&Call::Get, &instance, 200, body) else { panic!() };
        assert_eq!(view.status, InstanceStatus::Running);
        view.ip
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
                Response::read(&Call::Get, &Instance::default(), 200, &format!(r#"{{"status": "{text}"}}"#));
            assert_eq!(
                answer,
                Ok(Response::Instance(InstanceView { status, ip: None, drift: vec![], ready: None })),
                "{text}"
            );
        }
    }

    #[test]
    fn an_operation_that_failed_is_an_answer_with_the_reason_inside() {
        let call = Call::Change { change: BringUp::Insert.into(), request_id: RequestId::derive(1, 1) };
        let body = r#"{"name": "operation-1", "status": "DONE", "httpErrorStatusCode": 503, "error": {"errors":
            [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "no capacity"}]}}"#;
        let Ok(Response::Operation(operation)) = Response::read(&call, &Instance::default(), 200, body)
        else {
            panic!()
        };
        let error = operation.outcome.unwrap().unwrap_err();
        assert_eq!((error.status, error.reason.as_str()), (503, "ZONE_RESOURCE_POOL_EXHAUSTED"));

        let running = Response::read(
            &call,
            &Instance::default(),
            200,
            r#"{"name": "operation-1", "status": "RUNNING"}"#,
        );
        let view = OperationView { name: OperationName("operation-1".into()), outcome: None };
        assert_eq!(running, Ok(Response::Operation(view)));
    }

    #[test]
    fn an_answer_that_is_not_what_the_api_documents_says_which_call_it_was() {
        let wait = Call::Wait { operation: OperationName("operation-1".into()) };
        for (call, body, method) in [
            (&Call::Get, "<html>", "instances.get"),
            (&Call::Get, r#"{"name": "backend"}"#, "instances.get"),
            (&wait, r#"{"status": "DONE"}"#, "zoneOperations.wait"),
            (&wait, "[]", "zoneOperations.wait"),
        ] {
            let error = Response::read(call, &Instance::default(), 200, body).unwrap_err();
            assert!(error.to_string().contains(method), "{error}");
        }
    }
}
