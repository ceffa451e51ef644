//! Checks requests against the discovery document, as Google's front end does before Compute Engine
//! sees them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::discovery::{Document, Method, PathParameters, Schema};
use crate::error::ApiError;

/// The query parameters of a call, by name.
pub type Query = BTreeMap<String, String>;

/// Checks a call's path and query parameters.
///
/// # Errors
/// Returns an error if a parameter is unknown, missing, or has an invalid value.
pub fn check_parameters(
    document: &Document,
    method: &Method,
    path: &PathParameters,
    query: &Query,
) -> Result<(), ApiError> {
    for (name, value) in path {
        if let Some(schema) = method.parameters.get(name) {
            check_pattern(schema, name, value)?;
        }
    }
    for (name, schema) in &method.parameters {
        let given = path.contains_key(name) || query.contains_key(name);
        if schema.required && !given {
            let message = format!("Required field '{name}' not specified");
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "required", message));
        }
    }
    for (name, value) in query {
        let own = method.parameters.get(name).filter(|schema| schema.location.as_deref() == Some("query"));
        let Some(schema) = own.or_else(|| document.parameters.get(name)) else {
            let message = format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. \
                 Field '{name}' could not be found in request message."
            );
            return Err(ApiError::invalid_argument("", message));
        };
        check_parameter(schema, name, value)?;
    }
    Ok(())
}

/// Checks a request body and returns it in the form in which Compute Engine stores it: without
/// read-only fields and nulls, with 64-bit integers as strings.
///
/// # Errors
/// Returns an error if a field is unknown or has an invalid value.
pub fn accept_body(document: &Document, name: &str, body: &Value) -> Result<Value, ApiError> {
    let Some(schema) = document.schemas.get(name) else {
        return Ok(body.clone());
    };
    let mut accepted = Body { document }.accept(schema, body, "resource")?;
    // In the body of `instances.setScheduling`, null clears a field: `gcloud compute instances
    // set-scheduling --clear-max-run-duration` sends it.
    if let ("Scheduling", Some(given), Some(fields)) = (name, body.as_object(), accepted.as_object_mut()) {
        let nulls = given.iter().filter(|(_, value)| value.is_null());
        fields.extend(nulls.map(|(name, null)| (name.clone(), null.clone())));
    }
    Ok(accepted)
}

struct Body<'a> {
    document: &'a Document,
}

impl Body<'_> {
    fn accept(&self, schema: &Schema, value: &Value, at: &str) -> Result<Value, ApiError> {
        // A reference may stand beside `readOnly` only, so following it loses nothing.
        let schema = self.document.resolve(schema);
        match schema.kind.as_deref() {
            Some("object") => self.object(schema, value, at),
            Some("array") => self.array(schema, value, at),
            Some("boolean") => match value {
                Value::Bool(_) => Ok(value.clone()),
                _ => Err(wrong_type(at, "TYPE_BOOL", value)),
            },
            Some("integer") | Some("number") => number(schema, value, at),
            Some("string") => string(schema, value, at),
            _ => Ok(value.clone()),
        }
    }

    fn object(&self, schema: &Schema, value: &Value, at: &str) -> Result<Value, ApiError> {
        let Value::Object(fields) = value else {
            return Err(wrong_type(at, "TYPE_MESSAGE", value));
        };
        let mut accepted = Map::new();
        for (name, value) in fields {
            let Some(field) = schema.properties.get(name).or(schema.additional_properties.as_deref()) else {
                return Err(unknown_field(name, at));
            };
            // Google's JSON treats null as "not given".
            if value.is_null() {
                continue;
            }
            let value = self.accept(field, value, &format!("{at}.{name}"))?;
            // Output-only fields are checked like all others, and ignored.
            if !field.read_only {
                accepted.insert(name.clone(), value);
            }
        }
        Ok(Value::Object(accepted))
    }

    fn array(&self, schema: &Schema, value: &Value, at: &str) -> Result<Value, ApiError> {
        let Value::Array(elements) = value else {
            return Err(wrong_type(at, "TYPE_LIST", value));
        };
        let Some(items) = schema.items.as_deref() else {
            return Ok(value.clone());
        };
        let mut accepted = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let at = format!("{at}[{index}]");
            let element = self.accept(items, element, &at)?;
            // The document has the pattern of an array of strings (`Tags.items`) at the array.
            if let Some(text) = element.as_str() {
                check_pattern(schema, &at, text)?;
            }
            accepted.push(element);
        }
        Ok(Value::Array(accepted))
    }
}

fn string(schema: &Schema, value: &Value, at: &str) -> Result<Value, ApiError> {
    // 64-bit integers are strings in JSON, and numbers are accepted, too:
    // https://developers.google.com/discovery/v1/type-format
    if let Some(kind) = integer_type(schema) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(wrong_type(at, kind, value)),
        };
        return match fits(schema, &text) {
            true => Ok(Value::String(text)),
            false => Err(wrong_type(at, kind, value)),
        };
    }
    let Value::String(text) = value else {
        return Err(wrong_type(at, "TYPE_STRING", value));
    };
    check_pattern(schema, at, text)?;
    check_enum(schema, at, text)?;
    if schema.format.as_deref() == Some("byte") && !is_base64(text) {
        return Err(ApiError::invalid_argument(
            at,
            format!("Invalid value at '{at}' (TYPE_BYTES), Base64 decoding failed for \"{text}\""),
        ));
    }
    Ok(value.clone())
}

fn number(schema: &Schema, value: &Value, at: &str) -> Result<Value, ApiError> {
    let kind = integer_type(schema).unwrap_or("TYPE_DOUBLE");
    match value {
        Value::Number(number) if fits(schema, &number.to_string()) => Ok(value.clone()),
        Value::String(text) if fits(schema, text) => {
            serde_json::from_str(text).map_err(|_| wrong_type(at, kind, value))
        }
        _ => Err(wrong_type(at, kind, value)),
    }
}

fn check_parameter(schema: &Schema, name: &str, value: &str) -> Result<(), ApiError> {
    let shown = Value::String(value.to_owned());
    let too_small =
        |least: &str| least.parse::<i64>().is_ok_and(|least| value.parse().is_ok_and(|v: i64| v < least));
    let too_big =
        |most: &str| most.parse::<i64>().is_ok_and(|most| value.parse().is_ok_and(|v: i64| v > most));
    match schema.kind.as_deref() {
        Some("boolean") if !matches!(value, "true" | "false" | "1" | "0") => {
            Err(wrong_type(name, "TYPE_BOOL", &shown))
        }
        Some("integer") if !fits(schema, value) => {
            Err(wrong_type(name, integer_type(schema).unwrap_or("TYPE_INT32"), &shown))
        }
        Some("string") if integer_type(schema).is_some() && !fits(schema, value) => {
            Err(wrong_type(name, "TYPE_INT64", &shown))
        }
        _ if schema.minimum.as_deref().is_some_and(too_small)
            || schema.maximum.as_deref().is_some_and(too_big) =>
        {
            Err(ApiError::invalid_field(name, value, "The value is out of range."))
        }
        _ => check_pattern(schema, name, value).and_then(|()| check_enum(schema, name, value)),
    }
}

fn check_pattern(schema: &Schema, at: &str, value: &str) -> Result<(), ApiError> {
    let Some(pattern) = &schema.pattern else {
        return Ok(());
    };
    let whole = Regex::new(&format!("^(?:{pattern})$"));
    match whole.is_ok_and(|pattern| pattern.is_match(value)) {
        true => Ok(()),
        false => {
            Err(ApiError::invalid_field(at, value, &format!("Must be a match of regex '(?:{pattern})'")))
        }
    }
}

fn check_enum(schema: &Schema, at: &str, value: &str) -> Result<(), ApiError> {
    match &schema.values {
        Some(values) if !values.iter().any(|known| known == value) => {
            let why = format!("Must be one of [{}].", values.join(", "));
            Err(ApiError::invalid_field(at, value, &why))
        }
        _ => Ok(()),
    }
}

/// Returns `true` if a string is Base64 of either alphabet, padded or not:
/// <https://protobuf.dev/programming-guides/json/>.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let digit = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    digits.len() % 4 != 1 && text.len() - digits.len() <= 2 && digits.chars().all(digit)
}

fn integer_type(schema: &Schema) -> Option<&'static str> {
    match schema.format.as_deref() {
        Some("int32") => Some("TYPE_INT32"),
        Some("uint32") => Some("TYPE_UINT32"),
        Some("int64") => Some("TYPE_INT64"),
        Some("uint64") => Some("TYPE_UINT64"),
        _ => None,
    }
}

fn fits(schema: &Schema, text: &str) -> bool {
    match schema.format.as_deref() {
        Some("int32") => text.parse::<i32>().is_ok(),
        Some("uint32") => text.parse::<u32>().is_ok(),
        Some("int64") => text.parse::<i64>().is_ok(),
        Some("uint64") => text.parse::<u64>().is_ok(),
        _ => text.parse::<f64>().is_ok(),
    }
}

fn unknown_field(name: &str, at: &str) -> ApiError {
    let (field, place) = match at {
        "resource" => ("", String::new()),
        _ => (at, format!(" at '{at}'")),
    };
    let message =
        format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.");
    ApiError::invalid_argument(field, message)
}

fn wrong_type(at: &str, kind: &str, value: &Value) -> ApiError {
    ApiError::invalid_argument(at, format!("Invalid value at '{at}' ({kind}), {value}"))
}
