//! The API's responses, reduced to what the lifecycle needs.

use std::net::IpAddr;

use serde_json::Value;

use super::drift::{differences, ready, Difference, Update};
use super::error::{ApiError, CallError};
use super::request::{Call, OperationName};
use crate::vm::{Address, Instance};

/// The response to a successful call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The response to [`Call::Get`].
    Instance(InstanceView),
    /// The response to every other call.
    Operation(OperationView),
}

impl Response {
    /// Reads the response to `call`, which refers to `instance`.
    ///
    /// # Errors
    /// Returns the API's error, or [`CallError::InvalidResponse`] if the response is not in the
    /// form that the API documents.
    pub fn read(call: &Call, instance: &Instance, status: u16, body: &str) -> Result<Self, CallError> {
        if !(200..300).contains(&status) {
            return Err(CallError::Api(ApiError::read(status, body)));
        }
        let invalid = |reason: String| CallError::InvalidResponse(format!("{}: {reason}", call.method_id()));
        let resource: Value = serde_json::from_str(body).map_err(|error| invalid(error.to_string()))?;
        let response = match call {
            Call::Get => instance_view(&resource, instance).map(Response::Instance),
            Call::Change { .. } | Call::Update { .. } | Call::Wait { .. } => {
                operation_view(&resource).map(Response::Operation)
            }
        };
        response.ok_or_else(|| invalid("no name or no status".to_owned()))
    }
}

/// An instance, with the properties that the lifecycle needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceView {
    /// The status.
    pub status: InstanceStatus,
    /// The address at which it is reached ([`Instance::address`]). `None` means that it has no such
    /// address.
    pub ip: Option<IpAddr>,
    /// The differences from the configuration.
    pub drift: Vec<Difference>,
    /// The update that sets the items of the ready push.
    pub ready: Option<Update>,
}

/// The `status` of an instance.
///
/// See <https://cloud.google.com/compute/docs/instances/instance-lifecycle>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceStatus {
    /// The instance waits for other resources.
    Pending,
    /// Resources are being allocated.
    Provisioning,
    /// Resources are allocated, and the first boot is being prepared.
    Staging,
    /// The guest is booting or running.
    Running,
    /// The instance is being stopped.
    Stopping,
    /// A graceful shutdown is running, which precedes the stop.
    PendingStop,
    /// Resources are being released.
    Deprovisioning,
    /// The instance is stopped. This is the API's newer name of the status.
    Stopped,
    /// The instance is stopped.
    Terminated,
    /// The instance is being suspended.
    Suspending,
    /// The instance is suspended.
    Suspended,
    /// Compute Engine is repairing the instance after a host error.
    Repairing,
    /// A status that is unknown to this program.
    Unknown,
}

/// The status of an instance that is in no transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StableStatus {
    /// The instance runs.
    Running,
    /// The instance is stopped.
    Stopped,
    /// The instance is suspended.
    Suspended,
}

impl InstanceStatus {
    fn parse(name: &str) -> Self {
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

    /// Returns the status if the instance is in no transition. An unknown status counts as a
    /// transition.
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
    /// The name, which a wait for it needs.
    pub name: OperationName,
    /// The result. `None` means that the operation is in progress.
    pub outcome: Option<Result<(), ApiError>>,
}

/// Reads an Instance resource. `None` means that the resource is no valid Instance.
fn instance_view(resource: &Value, instance: &Instance) -> Option<InstanceView> {
    let status = InstanceStatus::parse(resource.get("status")?.as_str()?);
    // An interface has at most one access configuration of each kind.
    let address = match instance.address {
        Address::External => "/accessConfigs/0/natIP",
        Address::Internal => "/networkIP",
        Address::Ipv6 => "/ipv6AccessConfigs/0/externalIpv6",
    };
    let mut interfaces = resource.get("networkInterfaces").and_then(Value::as_array).into_iter().flatten();
    let ip = interfaces.find_map(|interface| interface.pointer(address)?.as_str()?.parse().ok());
    Some(InstanceView { status, ip, drift: differences(resource, instance), ready: ready(resource) })
}

/// Reads an Operation resource. `None` means that the resource is no valid Operation.
fn operation_view(resource: &Value) -> Option<OperationView> {
    let text = |pointer| Some(resource.pointer(pointer)?.as_str()?.to_owned());
    let name = OperationName(text("/name")?);
    let result = || {
        if resource.pointer("/error/errors/0").is_none() {
            return Ok(());
        }
        let status = resource.get("httpErrorStatusCode").and_then(Value::as_u64);
        let status = status.and_then(|status| status.try_into().ok()).unwrap_or(400);
        let reason = text("/error/errors/0/code").unwrap_or_default();
        Err(ApiError { status, reason, message: text("/error/errors/0/message").unwrap_or_default() })
    };
    let outcome = (text("/status")? == "DONE").then(result);
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
            let response =
                Response::read(&Call::Get, &Instance::default(), 200, &format!(r#"{{"status": "{text}"}}"#));
            assert_eq!(
                response,
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
