//! The types of values: how each is read from the configuration, and written for the object's
//! storage.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::ConfigError;
use crate::collections::collect_unsorted;
use crate::time::{format_duration, parse_duration, DURATION};

/// A type of value.
pub(super) trait Setting: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// The key of the error is relative to the value. An empty key means the value itself.
    fn read(value: &Value) -> Result<Self, ConfigError>;

    /// Writes the value so that [`read`](Setting::read) returns an equal one. Null means that the
    /// key is left out.
    fn write(&self) -> Value;
}

/// A type that is read from a table.
pub(super) trait Table: Sized + 'static {
    /// All keys, in the order of the document.
    const KEYS: &'static [Key<Self>];

    /// Returns the value in which the keys that are `given` are then set.
    fn defaults(given: &Map<String, Value>) -> Self;
}

/// A key of a table.
pub(super) struct Key<T> {
    /// The key's name in the configuration.
    pub name: &'static str,
    /// Sets the field from the value.
    pub read: fn(&mut T, &Value) -> Result<(), ConfigError>,
    /// Returns the field's value.
    pub write: fn(&T) -> Value,
}

impl<T: Table> Setting for T {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let given = value.as_object().ok_or_else(|| not(value, "a table"))?;
        let mut table = T::defaults(given);
        for (name, value) in given {
            let key = T::KEYS.iter().find(|key| key.name == name);
            let key =
                key.ok_or_else(|| unknown(name, &T::KEYS.iter().map(|key| key.name).collect::<Vec<_>>()))?;
            (key.read)(&mut table, value).map_err(|error| error.nested_in(name))?;
        }
        Ok(table)
    }

    fn write(&self) -> Value {
        let all = T::KEYS.iter().map(|key| (key.name.to_owned(), (key.write)(self)));
        Value::Object(collect_unsorted(all.filter(|(_, value)| !value.is_null())))
    }
}

/// Returns the error of a key that is none of `keys`.
pub(super) fn unknown(name: &str, keys: &[&str]) -> ConfigError {
    ConfigError::new(name, format!("unknown key; expected one of {}", keys.join(", ")))
}

fn not(value: &Value, what: &str) -> ConfigError {
    ConfigError::new("", format!("{value} is not {what}"))
}

impl Setting for String {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        value.as_str().map(str::to_owned).ok_or_else(|| not(value, "a string"))
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        value.as_bool().ok_or_else(|| not(value, "true or false"))
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Setting for u16 {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        number.ok_or_else(|| not(value, "an integer from 0 to 65535"))
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Setting for u32 {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        number.ok_or_else(|| not(value, "an integer from 0 to 4294967295"))
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Setting for Duration {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let text = value.as_str().ok_or_else(|| not(value, DURATION))?;
        parse_duration(text).map_err(|problem| ConfigError::new("", problem))
    }

    fn write(&self) -> Value {
        format_duration(*self).into()
    }
}

impl Setting for IpAddr {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let address = value.as_str().and_then(|text| text.parse().ok());
        address.ok_or_else(|| not(value, "an IP address such as \"203.0.113.7\""))
    }

    fn write(&self) -> Value {
        self.to_string().into()
    }
}

impl Setting for IpNet {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        network(value).ok_or_else(|| not(value, "a network or an IP address such as \"203.0.113.0/24\""))
    }

    fn write(&self) -> Value {
        self.to_string().into()
    }
}

/// Parses a network with the standard library's parser of addresses: `ipnet` has another one, which
/// would add to the size.
fn network(value: &Value) -> Option<IpNet> {
    let text = value.as_str()?;
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    match bits {
        Some(bits) => IpNet::new(address, bits.parse().ok()?).ok(),
        None => Some(address.into()),
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        T::read(value).map(Some)
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let values = value.as_array().ok_or_else(|| not(value, "an array"))?.iter().enumerate();
        values
            .map(|(index, value)| T::read(value).map_err(|error| error.nested_in(&format!("[{index}]"))))
            .collect()
    }

    fn write(&self) -> Value {
        self.iter().map(T::write).collect()
    }
}

impl Setting for BTreeMap<String, String> {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let mut texts = Self::new();
        for (name, value) in &Map::read(value)? {
            let text = String::read(value).map_err(|error| error.nested_in(name))?;
            texts.insert(name.clone(), text);
        }
        Ok(texts)
    }

    fn write(&self) -> Value {
        Value::Object(collect_unsorted(self.iter().map(|(name, text)| (name.clone(), text.as_str().into()))))
    }
}

impl Setting for Map<String, Value> {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        value.as_object().cloned().ok_or_else(|| not(value, "a table"))
    }

    fn write(&self) -> Value {
        self.clone().into()
    }
}

/// Returns the choice that a value names.
///
/// # Errors
/// The value is none of the names.
pub(super) fn one_of<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, ConfigError> {
    let chosen = choices.iter().find(|(name, _)| value == name);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        not(value, &format!("one of \"{}\"", names.join("\", \"")))
    })
}
