//! For `#[serde(with = "…")]`: a [`Vm`] as a string of JSON within the JSON.
//!
//! It is read with the code that reads the configuration.

use std::rc::Rc;

use serde::{de, Deserialize, Deserializer, Serializer};

use crate::config::{read_vm, write_vm};
use crate::vm::Vm;

pub(super) fn serialize<S: Serializer>(vm: &Vm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write_vm(vm))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rc<Vm>, D::Error> {
    read_vm(&String::deserialize(deserializer)?).map(Rc::new).map_err(de::Error::custom)
}
