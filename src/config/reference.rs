//! Generates the reference tables of `docs/configuration.md`: keys and defaults from the code, all
//! else from `schema/wrangler.schema.json`.
//!
//! The schema's `x-` keywords are for the tables alone: `x-default` describes a default that is no
//! value, `x-allowed` describes the allowed values, and `x-see` links to more.

use serde_json::{json, Map, Value};

use super::value::{Setting, Table};
use crate::vm::{Accelerator, AsleepResponse, Instance, Vm, WakePolicy, WAITING_PAGE};

/// The variables and secrets, in the table's order.
const VARIABLES: [&str; 9] = [
    "VMS",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_SERVICE_ACCOUNT_KEY_NEXT",
    "ADMIN_TOKEN",
    "AUTH",
    "IMPERSONATE_SERVICE_ACCOUNT",
    "QUOTA_PROJECT",
    "IAM_CREDENTIALS_ENDPOINT",
    "COMPUTE_ENDPOINT",
];

/// The keys of one table of the configuration, as the code has them.
pub(super) struct Keys {
    /// The table's definition in the schema.
    pub definition: &'static str,
    /// The key at which errors of the table's keys are reported.
    pub parent: &'static str,
    /// The keys, in the order of the document.
    pub names: Vec<&'static str>,
    /// The values that apply when no key is given.
    pub defaults: Value,
}

impl Keys {
    fn of<T: Table>(definition: &'static str, parent: &'static str) -> Self {
        let names = T::KEYS.iter().map(|key| key.name).collect();
        Self { definition, parent, names, defaults: T::defaults(&Map::new()).write() }
    }

    /// Returns the default of a key. `None` means that it has no value.
    pub fn default_of(&self, key: &str) -> Option<&Value> {
        let nothing = [json!(null), json!(""), json!([]), json!({})];
        // A table within the table has defaults of its own.
        self.defaults.get(key).filter(|default| !default.is_object() && !nothing.contains(default))
    }
}

/// Returns the keys of every kind of table.
pub(super) fn tables() -> [Keys; 5] {
    [
        Keys::of::<Vm>("vm", "VMS[0]"),
        Keys::of::<Instance>("instance", "VMS[0].instance"),
        Keys::of::<Accelerator>("accelerator", "VMS[0].instance.accelerators[0]"),
        Keys::of::<WakePolicy>("wake", "VMS[0].wake"),
        Keys::of::<AsleepResponse>("asleep_response", "VMS[0].wake.asleep_response[0]"),
    ]
}

/// Returns the document with its tables generated anew.
pub(super) fn generate(document: &str, schema: &Value) -> String {
    let definitions = &schema["definitions"];
    let tables = tables().into_iter().map(|keys| {
        let rows = keys.names.iter().map(|key| {
            row(&definitions[keys.definition], key, keys.default_of(key).map(ToString::to_string))
        });
        (keys.definition, table(rows))
    });
    let waiting_page = WAITING_PAGE.map(|(key, default)| {
        row(&definitions["waiting_page"], key, (!default.is_empty()).then(|| json!(default).to_string()))
    });
    let variables = VARIABLES.map(|key| {
        let kinds = [&definitions["vars"], &definitions["secrets"]];
        let of_kind = kinds.into_iter().find(|kind| kind["properties"][key].is_object()).unwrap();
        let default = &of_kind["properties"][key]["default"];
        row(of_kind, key, (!default.is_null()).then(|| default.to_string()))
    });
    let more =
        [("waiting_page", table(waiting_page.into_iter())), ("variables", table(variables.into_iter()))];
    tables.chain(more).fold(document.to_owned(), |document, (name, table)| {
        let start = format!("<!-- generated: {name} -->\n");
        let end = "\n<!-- end -->";
        let (before, rest) = document.split_once(&start).unwrap_or_else(|| panic!("no {start}"));
        let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("no end of {name}"));
        [before, &start, "\n", &table, end, after].concat()
    })
}

fn table(rows: impl Iterator<Item = String>) -> String {
    let head = "| key | type | default | description | allowed |\n|---|---|---|---|---|\n";
    head.to_owned() + &rows.collect::<String>()
}

fn row(definition: &Value, key: &str, default: Option<String>) -> String {
    let property = &definition["properties"][key];
    let text = |keyword: &str| property[keyword].as_str();
    let is_required =
        definition["required"].as_array().is_some_and(|required| required.contains(&json!(key)));
    let described = text("x-default").unwrap_or(if is_required { "required" } else { "none" });
    let default = default.map(|default| format!("`{}`", default.replace("\",\"", "\", \"")));
    let default = default.unwrap_or_else(|| described.to_owned());
    let see = text("x-see").map(|link| format!(" ([details]({link}))")).unwrap_or_default();
    let description = text("description").unwrap_or_else(|| panic!("{key} has no description"));
    let choices = property["enum"]
        .as_array()
        .map(|choices| choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", "));
    let allowed = choices.or_else(|| text("x-allowed").map(str::to_owned)).unwrap_or_default();
    format!("| `{key}` | {} | {default} | {description}{see} | {allowed} |\n", kind(property))
        .replace("|  |\n", "| |\n")
}

/// Returns the type of a key, in TOML's words.
pub(super) fn kind(property: &Value) -> &'static str {
    let of = |part: &str, kinds: (&'static str, &'static str, &'static str)| match &property[part] {
        part if part["type"] == "string" => kinds.0,
        part if part["$ref"].is_string() => kinds.1,
        _ => kinds.2,
    };
    let reference = property["allOf"][0]["$ref"].as_str().unwrap_or_default();
    match property["type"].as_str() {
        Some("string") => "string",
        Some("boolean") => "boolean",
        Some("integer") => "integer",
        Some("array") => of("items", ("array of strings", "array of tables", "array")),
        Some("object") => of("additionalProperties", ("table of strings", "table of tables", "table")),
        _ if property["$ref"] == "#/definitions/vms" => "array of tables",
        _ if property["enum"].is_array() => "string",
        _ if ["#/definitions/duration", "#/definitions/timeout"].contains(&reference) => "duration",
        _ => "table",
    }
}
