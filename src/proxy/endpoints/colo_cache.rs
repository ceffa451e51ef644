//! The endpoints in the cache of this colo: isolates come and go, and at low traffic every request
//! may run in a new one. The object may be a continent away.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use worker::Env;

use super::isolate_cache::CachedEndpoint;
use crate::config::{write_vm, OBJECT_BINDING};
use crate::lifecycle::Endpoint;
use crate::platform::cache;
use crate::time::Timestamp;
use crate::vm::Vm;

/// Returns the endpoint that another isolate has stored for a VM.
pub(super) async fn get(vm: &Vm, env: &Env) -> Option<CachedEndpoint> {
    parse(&cache::get(&key(vm, env)?).await?)
}

/// Stores a VM's endpoint for its lifetime.
pub(super) async fn put(vm: &Vm, env: &Env, cached: &CachedEndpoint) {
    let Some(key) = key(vm, env) else { return };
    let lifetime = CachedEndpoint::lifetime(vm.touch_interval());
    cache::put(&key, &serialize(cached), seconds(lifetime)).await;
}

/// Removes a VM's endpoint.
pub(super) async fn remove(vm: &Vm, env: &Env) {
    if let Some(key) = key(vm, env) {
        cache::remove(&key).await;
    }
}

/// Returns the key of a VM's entry; `None` means that the Worker has no object for the VM. Several
/// Workers may share a colo's cache, so the key has the id of the VM's object, which is unique; and
/// it has a hash of the configuration, so that a changed VM gets a new entry.
fn key(vm: &Vm, env: &Env) -> Option<String> {
    let namespace = env.durable_object(OBJECT_BINDING).ok()?;
    let id = namespace.id_from_name(&vm.instance.name).ok()?;
    let mut configuration = DefaultHasher::new();
    write_vm(vm).hash(&mut configuration);
    Some(format!("https://vmproxy.internal/endpoints/{id}/{:x}", configuration.finish()))
}

fn serialize(CachedEndpoint { endpoint, fetched_at }: &CachedEndpoint) -> String {
    let Endpoint { ip, port, generation } = endpoint;
    format!("{ip} {port} {generation} {}", fetched_at.as_millis())
}

fn parse(text: &str) -> Option<CachedEndpoint> {
    let mut parts = text.split(' ');
    let (ip, port) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let endpoint = Endpoint { ip, port, generation: parts.next()?.parse().ok()? };
    let fetched_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(CachedEndpoint { endpoint, fetched_at })
}

/// Rounds up to whole seconds, the unit of the cache.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        for ip in ["203.0.113.7", "2001:db8::7"] {
            let endpoint = Endpoint { ip: ip.parse().unwrap(), port: 8080, generation: 3 };
            let fetched_at = Timestamp::from_millis(1_700_000_000_123);
            let cached = CachedEndpoint { endpoint, fetched_at };
            assert_eq!(parse(&serialize(&cached)), Some(cached));
        }
    }

    #[test]
    fn what_another_version_kept_is_left_alone() {
        for text in ["", "203.0.113.7", "203.0.113.7 80 1", "203.0.113.7 80 1 2 3", "x 80 1 2", "{}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn trust_is_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(200)), 1);
        assert_eq!(seconds(Duration::from_secs(10)), 10);
    }
}
