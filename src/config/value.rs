//! The kinds of values: how each is read from the configuration, and written for the object's storage.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::ConfigError;
use crate::collections::collect_unsorted;
use crate::time::{format_duration, parse_duration, DURATION};

/// A kind of value.
pub(super) trait Setting: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong, at a key relative to the value: empty if it is the value itself.
    fn read(value: &Value) -> Result<Self, ConfigError>;

    /// Writes it so that [`read`](Setting::read) gives the same. Null is left out.
    fn write(&self) -> Value;
}

/// A kind of table: what a type has for keys.
pub(super) trait Table: Sized + 'static {
    /// All of them.
    const KEYS: &'static [Key<Self>];

    /// What the keys stand for that are not `given`.
    fn unset(given: &Map<String, Value>) -> Self;
}

/// A key of a table.
pub(super) struct Key<T> {
    /// As the configuration has it.
    pub name: &'static str,
    /// Sets it.
    pub read: fn(&mut T, &Value) -> Result<(), ConfigError>,
    /// Tells it.
    pub write: fn(&T) -> Value,
}

impl<T: Table> Setting for T {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let given = value.as_object().ok_or_else(|| not(value, "a table"))?;
        let mut table = T::unset(given);
        for (name, value) in given {
            let key = T::KEYS.iter().find(|key| key.name == name);
            let key = key.ok_or_else(|| unknown(name, T::KEYS.iter().map(|key| key.name).collect()))?;
            (key.read)(&mut table, value).map_err(|error| error.below(name))?;
        }
        Ok(table)
    }

    fn write(&self) -> Value {
        let all = T::KEYS.iter().map(|key| (key.name.to_owned(), (key.write)(self)));
        Value::Object(collect_unsorted(all.filter(|(_, value)| !value.is_null())))
    }
}

fn unknown(name: &str, keys: Vec<&str>) -> ConfigError {
    ConfigError::new(name, format!("is no key; there are {}", keys.join(", ")))
}

fn not(value: &Value, what: &str) -> ConfigError {
    ConfigError::new("", format!("{value} is not {what}"))
}

impl Setting for String {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        value.as_str().map(str::to_owned).ok_or_else(|| not(value, "a text"))
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
        number.ok_or_else(|| not(value, "a whole number from 0 to 65535"))
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Setting for u32 {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        number.ok_or_else(|| not(value, "a whole number from 0 to 4294967295"))
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
        address.ok_or_else(|| not(value, "an IP address, as \"203.0.113.7\""))
    }

    fn write(&self) -> Value {
        self.to_string().into()
    }
}

impl Setting for IpNet {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        network(value).ok_or_else(|| not(value, "a network or an address, as \"203.0.113.0/24\""))
    }

    fn write(&self) -> Value {
        self.to_string().into()
    }
}

/// The library reads networks too, with a reader of addresses of its own, which takes room.
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
        let values = value.as_array().ok_or_else(|| not(value, "a list"))?.iter().enumerate();
        values
            .map(|(index, value)| T::read(value).map_err(|error| error.below(&format!("[{index}]"))))
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
            let text = String::read(value).map_err(|error| error.below(name))?;
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

/// The choice that a value names.
///
/// # Errors
/// It names none of them.
pub(super) fn choose<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, ConfigError> {
    let chosen = choices.iter().find(|(name, _)| value == name);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        not(value, &format!("one of \"{}\"", names.join("\", \"")))
    })
}
