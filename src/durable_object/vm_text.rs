//! For `#[serde(with = "…")]`: a [`Vm`] as a text of JSON within the JSON.
//!
//! What reads a type is compiled anew for every kind of deserializer, and a `Vm` is the largest type there is. This
//! way the configuration's is the only one.

use serde::{de, ser, Deserialize, Deserializer, Serializer};

use crate::config::read_vm;
use crate::vm::Vm;

pub(super) fn serialize<S: Serializer>(vm: &Vm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&serde_json::to_string(vm).map_err(ser::Error::custom)?)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vm, D::Error> {
    read_vm(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}
