//! What the cache of this colo knows of where VMs are: isolates come and go, and at low traffic every request may
//! meet a new one. The object may be a continent away.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use worker::Env;

use super::isolate_cache::Known;
use crate::config::{write_vm, OBJECT_BINDING};
use crate::lifecycle::Endpoint;
use crate::platform::cache::{drop_kept, keep, kept};
use crate::time::Timestamp;
use crate::vm::Vm;

/// What another isolate was told of the VM.
pub(in crate::proxy) async fn recall(vm: &Vm, env: &Env) -> Option<Known> {
    read(&kept(&key(vm, env)?).await?)
}

/// Keeps what this isolate was told, as long as it may be trusted.
pub(in crate::proxy) async fn tell(vm: &Vm, env: &Env, known: &Known) {
    let Some(key) = key(vm, env) else { return };
    keep(&key, &written(known), seconds(Known::trusted_for(vm.touch_interval()))).await;
}

/// The VM is not there any more.
pub(in crate::proxy) async fn forget(vm: &Vm, env: &Env) {
    if let Some(key) = key(vm, env) {
        drop_kept(&key).await;
    }
}

/// Several Workers may share a colo's cache: the id of the VM's object is nobody else's. What was told of a VM that was
/// configured otherwise is not looked at.
fn key(vm: &Vm, env: &Env) -> Option<String> {
    let namespace = env.durable_object(OBJECT_BINDING).ok()?;
    let id = namespace.id_from_name(&vm.instance.name).ok()?;
    let mut configuration = DefaultHasher::new();
    write_vm(vm).hash(&mut configuration);
    Some(format!("https://vmproxy.internal/endpoints/{id}/{:x}", configuration.finish()))
}

fn written(Known { endpoint, told_at }: &Known) -> String {
    let Endpoint { ip, port, generation } = endpoint;
    format!("{ip} {port} {generation} {}", told_at.as_millis())
}

fn read(text: &str) -> Option<Known> {
    let mut parts = text.split(' ');
    let (ip, port) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let endpoint = Endpoint { ip, port, generation: parts.next()?.parse().ok()? };
    let told_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(Known { endpoint, told_at })
}

/// The cache counts in whole seconds.
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
            let known = Known { endpoint, told_at: Timestamp::from_millis(1_700_000_000_123) };
            assert_eq!(read(&written(&known)), Some(known));
        }
    }

    #[test]
    fn what_another_version_kept_is_left_alone() {
        for text in ["", "203.0.113.7", "203.0.113.7 80 1", "203.0.113.7 80 1 2 3", "x 80 1 2", "{}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn trust_is_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(200)), 1);
        assert_eq!(seconds(Duration::from_secs(10)), 10);
    }
}
