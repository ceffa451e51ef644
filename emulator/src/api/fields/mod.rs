//! Partial responses: the `fields` parameter,
//! <https://cloud.google.com/compute/docs/api/how-tos/performance#partial-response>.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::discovery::{Document, Schema};
use crate::error::ApiError;

/// The selected fields, such as `status,networkInterfaces/accessConfigs(natIP)`.
#[derive(Debug, PartialEq)]
pub struct Fields(BTreeMap<String, Selection>);

#[derive(Debug, PartialEq)]
enum Selection {
    Whole,
    Part(Fields),
}

impl Fields {
    /// Parses a selection and checks its names against the response's schema.
    ///
    /// # Errors
    /// Returns an error if the selection is malformed, or names a field that the response does not
    /// have.
    pub fn parse(text: &str, document: &Document, schema: &Schema) -> Result<Self, ApiError> {
        let mut rest = text;
        let fields =
            Self::list(&mut rest).filter(|_| rest.is_empty()).ok_or_else(|| invalid_selection(text))?;
        fields.check(document, schema)?;
        Ok(fields)
    }

    /// Returns the selected fields of a value. Arrays are searched element by element.
    pub fn select(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) => {
                let mut kept = Map::new();
                for (name, value) in object {
                    match self.0.get(name).or_else(|| self.0.get("*")) {
                        Some(Selection::Whole) => kept.insert(name.clone(), value.clone()),
                        Some(Selection::Part(fields)) => kept.insert(name.clone(), fields.select(value)),
                        None => None,
                    };
                }
                Value::Object(kept)
            }
            Value::Array(elements) => elements.iter().map(|element| self.select(element)).collect(),
            _ => value.clone(),
        }
    }

    fn list(rest: &mut &str) -> Option<Self> {
        let mut fields = Self(BTreeMap::new());
        loop {
            let (name, selection) = Self::item(rest)?;
            fields.add(name, selection);
            match rest.strip_prefix(',') {
                Some(more) => *rest = more,
                None => return Some(fields),
            }
        }
    }

    fn item(rest: &mut &str) -> Option<(String, Selection)> {
        let end = rest.find([',', '/', '(', ')']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return None;
        }
        if let Some(nested) = after.strip_prefix('/') {
            *rest = nested;
            let (inner, selection) = Self::item(rest)?;
            let part = Self(BTreeMap::from([(inner, selection)]));
            return Some((name.to_owned(), Selection::Part(part)));
        }
        if let Some(nested) = after.strip_prefix('(') {
            *rest = nested;
            let part = Self::list(rest)?;
            *rest = rest.strip_prefix(')')?;
            return Some((name.to_owned(), Selection::Part(part)));
        }
        *rest = after;
        Some((name.to_owned(), Selection::Whole))
    }

    /// Adds a field; `a/b,a/c` selects both.
    fn add(&mut self, name: String, selection: Selection) {
        match (self.0.get_mut(&name), selection) {
            (Some(Selection::Part(known)), Selection::Part(new)) => {
                for (name, selection) in new.0 {
                    known.add(name, selection);
                }
            }
            (Some(Selection::Whole), _) => {}
            (_, selection) => {
                self.0.insert(name, selection);
            }
        }
    }

    fn check(&self, document: &Document, schema: &Schema) -> Result<(), ApiError> {
        let mut schema = document.resolve(schema);
        while let Some(items) = &schema.items {
            schema = document.resolve(items);
        }
        for (name, selection) in &self.0 {
            let inner = schema.properties.get(name).or(schema.additional_properties.as_deref());
            match (inner, selection) {
                (Some(inner), Selection::Part(fields)) => fields.check(document, inner)?,
                (Some(_), Selection::Whole) => {}
                (None, _) if name == "*" => {}
                (None, _) => return Err(invalid_selection(name)),
            }
        }
        Ok(())
    }
}

fn invalid_selection(what: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalidParameter", format!("Invalid field selection {what}"))
}
