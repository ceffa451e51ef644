//! Google's discovery document, turned into JSON Schema.
//!
//! See <https://developers.google.com/discovery/v1/reference/apis>.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{json, Map, Value};
use vmproxy::compute::HttpRequest;

/// What a method of the API takes.
pub struct Method {
    base_url: String,
    http_method: String,
    /// As `projects/{project}/zones/{zone}/instances`.
    path: String,
    in_path: Validator,
    in_query: Validator,
    body: Option<Validator>,
}

/// Reads the document.
pub fn discovery() -> Value {
    serde_json::from_str(include_str!("../../emulator/data/compute.v1.json")).unwrap()
}

impl Method {
    /// The method of this name, as `instances.insert`.
    pub fn of(document: &Value, name: &str) -> Self {
        let (resource, method) = name.split_once('.').unwrap();
        let method = &document["resources"][resource]["methods"][method];
        assert_eq!(method["id"], format!("compute.{name}"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let request = method.get("request");
        Self {
            base_url: text(&document["baseUrl"]),
            http_method: text(&method["httpMethod"]),
            path: text(&method["path"]),
            in_path: parameters(document, method, "path"),
            in_query: parameters(document, method, "query"),
            body: request.map(|reference| {
                let mut schema = json_schema(reference);
                schema["$defs"] = each(&document["schemas"], json_schema);
                validator(&schema)
            }),
        }
    }

    /// What is wrong with a request that calls this method.
    pub fn complaints(&self, request: &HttpRequest) -> Vec<String> {
        let mut complaints = Vec::new();
        if request.method != self.http_method {
            complaints.push(format!("the method is {}, not {}", request.method, self.http_method));
        }
        let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
        match path.strip_prefix(&self.base_url).and_then(|path| path_parameters(&self.path, path)) {
            Some(parameters) => complaints.extend(errors(&self.in_path, &parameters)),
            None => complaints.push(format!("the path of {path} is not {}", self.path)),
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query: Map<String, Value> = pairs.map(|pair| parameter(pair.split_once('=').unwrap())).collect();
        complaints.extend(errors(&self.in_query, &query.into()));
        match (&self.body, &request.body) {
            (Some(schema), Some(body)) => {
                complaints.extend(errors(schema, &serde_json::from_str(body).unwrap()))
            }
            (None, None) => {}
            (expected, given) => complaints.push(format!(
                "a body is {}, and one is {}",
                if expected.is_some() { "expected" } else { "not expected" },
                if given.is_some() { "given" } else { "not given" },
            )),
        }
        complaints
    }
}

fn errors(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).flat_map(|error| innermost(&error)).collect()
}

/// Of a field that is neither null nor right (see [`property`]), why it is not right.
fn innermost(error: &ValidationError) -> Vec<String> {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } => context[0].iter().flat_map(innermost).collect(),
        _ => vec![format!("{}: {error}", error.instance_path())],
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap()
}

/// The parameters of a method, with those of all methods, that are given in the path, or in the
/// query.
fn parameters(document: &Value, method: &Value, location: &str) -> Validator {
    let all = [method, document].map(|owner| owner["parameters"].as_object().unwrap());
    let all = all.into_iter().flatten();
    let here: Map<_, _> = all
        .filter(|(_, parameter)| parameter["location"] == location)
        .map(|(name, parameter)| (name.clone(), parameter.clone()))
        .collect();
    let required: Vec<_> = here
        .iter()
        .filter(|(_, parameter)| parameter["required"] == true)
        .map(|(name, _)| name.clone())
        .collect();
    validator(&json!({
        "type": "object",
        "properties": each(&here.into(), json_schema),
        "required": required,
        "additionalProperties": false,
    }))
}

fn path_parameters(template: &str, path: &str) -> Option<Value> {
    let (template, path) = (template.split('/'), path.split('/'));
    if template.clone().count() != path.clone().count() {
        return None;
    }
    let mut parameters = Map::new();
    for (expected, given) in template.zip(path) {
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => parameters.extend([parameter((name, given))]),
            None if expected == given => {}
            None => return None,
        }
    }
    Some(parameters.into())
}

/// Nothing that is sent needs to be escaped, so what is escaped is not what was meant.
fn parameter((name, value): (&str, &str)) -> (String, Value) {
    assert!(!value.contains(['%', '+']), "{name}={value} is escaped");
    (name.to_owned(), value.into())
}

fn each(values: &Value, convert: fn(&Value) -> Value) -> Value {
    let values = values.as_object().unwrap().iter();
    values.map(|(name, value)| (name.clone(), convert(value))).collect::<Map<_, _>>().into()
}

/// A schema of the document as JSON Schema that takes nothing that is not named.
fn json_schema(schema: &Value) -> Value {
    let schema = schema.as_object().unwrap();
    let mut converted = Map::new();
    for (keyword, value) in schema {
        let (keyword, value) = match (keyword.as_str(), value) {
            ("$ref", Value::String(name)) => ("$ref", format!("#/$defs/{name}").into()),
            ("type", Value::String(any)) if any == "any" => continue,
            ("type" | "enum", value) => (keyword.as_str(), value.clone()),
            ("properties", value) => ("properties", each(value, property)),
            ("items" | "additionalProperties", value) => (keyword.as_str(), json_schema(value)),
            ("pattern", Value::String(pattern)) => ("pattern", format!("^(?:{pattern})$").into()),
            // In the document they are strings.
            ("minimum" | "maximum", Value::String(limit)) => {
                (keyword.as_str(), limit.parse::<i64>().unwrap().into())
            }
            ("format", Value::String(format)) => match format_keyword(format) {
                Some(assertion) => assertion,
                None => continue,
            },
            (
                "id" | "default" | "deprecated" | "enumDeprecated" | "location" | "required" | "readOnly",
                _,
            ) => continue,
            _ => panic!("the document says {keyword} = {value} of something, which this test does not know"),
        };
        assert!(converted.insert(keyword.to_owned(), value).is_none(), "{keyword} twice");
    }
    let is_closed = schema.contains_key("properties") || schema.get("type").is_some_and(|of| of == "object");
    if is_closed && schema.get("format").is_none_or(|format| format != "google.protobuf.Any") {
        converted.entry("additionalProperties").or_insert(false.into());
    }
    converted.into()
}

/// A field of a message. Null stands for a field that is not given, of whatever type it is:
/// <https://protobuf.dev/programming-guides/json/>. What only answers hold is not to be sent.
fn property(schema: &Value) -> Value {
    match schema.get("readOnly") {
        Some(Value::Bool(true)) => Value::Bool(false),
        _ => json!({"anyOf": [json_schema(schema), {"type": "null"}]}),
    }
}

/// See <https://developers.google.com/discovery/v1/type-format>.
fn format_keyword(format: &str) -> Option<(&'static str, Value)> {
    Some(match format {
        "int64" => ("pattern", r"^-?[0-9]{1,19}$".into()),
        "uint64" => ("pattern", r"^[0-9]{1,20}$".into()),
        "int32" => ("allOf", json!([{"minimum": i32::MIN, "maximum": i32::MAX}])),
        "uint32" => ("allOf", json!([{"minimum": u32::MIN, "maximum": u32::MAX}])),
        // The standard and the URL-safe alphabet.
        "byte" => {
            ("pattern", r"^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?$".into())
        }
        "google-datetime" => ("format", "date-time".into()),
        "google-duration" => ("pattern", r"^-?[0-9]+(?:\.[0-9]{1,9})?s$".into()),
        "double" | "google.protobuf.Any" => return None,
        _ => panic!("the document has the format {format}, which this test does not know"),
    })
}
