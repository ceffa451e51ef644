//! The network interfaces in the body of `instances.insert`.

use serde_json::{json, Map, Value};

use super::fingerprint::fingerprint;
use super::object::{array_mut, set_default};
use super::place::{resource_path, Place};
use super::zones;
use crate::error::ApiError;

/// Checks the interfaces and fills in the API's defaults.
///
/// # Errors
/// Returns an error if Compute Engine would refuse an interface.
pub fn prepare_interfaces(definition: &mut Map<String, Value>, place: &Place) -> Result<(), ApiError> {
    let region = zones::region_of(place.zone)?;
    let interfaces = array_mut(definition, "networkInterfaces");
    if interfaces.is_empty() {
        let why = "At least one network interface is required.";
        return Err(ApiError::required("resource.networkInterfaces", why));
    }
    for (index, interface) in interfaces.iter_mut().enumerate() {
        let at = format!("resource.networkInterfaces[{index}]");
        let Some(interface) = interface.as_object_mut() else { continue };
        set_default(interface, "stackType", json!("IPV4_ONLY"));
        check_stack(interface, &at)?;
        for (name, only) in [("accessConfigs", &ACCESS_CONFIG), ("ipv6AccessConfigs", &IPV6_ACCESS_CONFIG)] {
            prepare_access_configs(interface, name, only, &at)?;
        }
        let url = place.project_url;
        set_default(interface, "network", json!(format!("{url}/global/networks/default")));
        set_default(interface, "subnetwork", json!(format!("{url}/regions/{region}/subnetworks/default")));
        for name in ["network", "subnetwork"] {
            let path = interface[name].as_str().map(resource_path).unwrap_or_default().to_owned();
            let path = path.strip_prefix(&format!("projects/{}/", place.project)).unwrap_or(&path).to_owned();
            if !path.starts_with("projects/") {
                interface.insert(name.into(), json!(format!("{url}/{path}")));
            }
        }
        interface.insert("name".into(), json!(format!("nic{index}")));
        interface.insert("kind".into(), json!("compute#networkInterface"));
        let fingerprint = fingerprint(&Value::Object(interface.clone()));
        interface.insert("fingerprint".into(), fingerprint);
    }
    Ok(())
}

/// Gives each interface an internal address, different for most ids. The address is made up, except
/// that an interface whose only address is internal gets `reachable`.
pub fn with_internal_addresses(
    mut definition: Map<String, Value>,
    id: u64,
    reachable: Option<String>,
) -> Map<String, Value> {
    for (index, interface) in array_mut(&mut definition, "networkInterfaces").iter_mut().enumerate() {
        if interface.get("networkIP").is_some() || interface["stackType"] == "IPV6_ONLY" {
            continue;
        }
        let host = id.wrapping_add(index as u64) % 250 + 2;
        let own = reachable.clone().filter(|_| index == 0 && interface.get("accessConfigs").is_none());
        interface["networkIP"] = json!(own.unwrap_or_else(|| format!("10.128.{index}.{host}")));
    }
    definition
}

/// The constant fields of a kind of access config.
struct AccessConfigKind {
    kind: &'static str,
    name: &'static str,
}

const ACCESS_CONFIG: AccessConfigKind = AccessConfigKind { kind: "ONE_TO_ONE_NAT", name: "external-nat" };
const IPV6_ACCESS_CONFIG: AccessConfigKind = AccessConfigKind { kind: "DIRECT_IPV6", name: "external-ipv6" };

/// Checks the IP stack of an interface. Subnetworks of an auto mode network, such as the default
/// one, have no IPv6 addresses:
/// <https://cloud.google.com/compute/docs/ip-addresses/configure-ipv6-address>.
fn check_stack(interface: &Map<String, Value>, at: &str) -> Result<(), ApiError> {
    let stack = interface.get("stackType").and_then(Value::as_str).unwrap_or_default();
    let refuse = |field: &str, why: &str| Err(ApiError::invalid_field(&format!("{at}.{field}"), stack, why));
    let given =
        |name: &str| interface.get(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if stack == "IPV4_ONLY" {
        return match given("ipv6AccessConfigs") {
            true => refuse(
                "ipv6AccessConfigs",
                "An IPv6 access config needs the stack type IPV4_IPV6 or IPV6_ONLY.",
            ),
            false => Ok(()),
        };
    }
    if stack == "IPV6_ONLY" && given("accessConfigs") {
        return refuse(
            "accessConfigs",
            "An interface of the stack type IPV6_ONLY has no IPv4 access config.",
        );
    }
    let subnetwork = interface.get("subnetwork").and_then(Value::as_str).unwrap_or("default");
    match subnetwork.rsplit('/').next() {
        Some("default") | None => refuse("stackType", "The subnetwork 'default' has no IPv6 addresses."),
        Some(_) => Ok(()),
    }
}

fn prepare_access_configs(
    interface: &mut Map<String, Value>,
    name: &str,
    only: &AccessConfigKind,
    at: &str,
) -> Result<(), ApiError> {
    let Some(configs) = interface.get_mut(name).and_then(Value::as_array_mut) else { return Ok(()) };
    let at = format!("{at}.{name}");
    if configs.len() > 1 {
        return Err(ApiError::invalid_field(&at, "", "At most one access config currently supported."));
    }
    for config in configs.iter_mut().filter_map(Value::as_object_mut) {
        set_default(config, "type", json!(only.kind));
        if config["type"] != only.kind {
            let kind = config["type"].as_str().unwrap_or_default();
            return Err(ApiError::invalid_field(
                &format!("{at}[0].type"),
                kind,
                &format!("It must be {}.", only.kind),
            ));
        }
        if config.contains_key("externalIpv6") {
            return Err(ApiError::not_implemented("static IPv6 addresses"));
        }
        config.insert("kind".into(), json!("compute#accessConfig"));
        set_default(config, "name", json!(only.name));
        set_default(config, "networkTier", json!("PREMIUM"));
    }
    if configs.is_empty() {
        interface.remove(name);
    }
    Ok(())
}
