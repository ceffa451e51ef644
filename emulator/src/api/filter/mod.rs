//! The `filter` parameter of lists: expressions of AIP-160, <https://google.aip.dev/160>, or
//! regular expressions with `eq` and `ne`, described in
//! <https://cloud.google.com/compute/docs/reference/rest/v1/instances/list>.

#[cfg(test)]
mod tests;
mod tokens;

use std::cmp::Ordering;

use regex_lite::Regex;
use serde_json::Value;

use self::tokens::{tokens, Operator, Token};
use crate::discovery::{Document, Schema};
use crate::error::ApiError;

/// A parsed filter, such as `(status = RUNNING) AND (labels.team != "a")`.
#[derive(Debug)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Comparison {
        /// The path of a field, such as `labels.team`.
        field: String,
        test: Test,
    },
}

/// A condition on the value of a field.
#[derive(Debug)]
pub enum Test {
    /// The field has a value.
    Present,
    Compares(Operator, String),
    /// The whole value matches.
    Matches(Regex),
}

impl Filter {
    /// Parses a filter and checks its names against the schema of the listed resource.
    ///
    /// # Errors
    /// Returns an error if a field is unknown, or the filter has a form that the emulator does not
    /// support.
    pub fn parse(text: &str, document: &Document, schema: &Schema) -> Result<Self, ApiError> {
        let read = |tokens: Vec<Token>| match expression(&tokens) {
            Some((filter, [])) => Some(filter),
            _ => None,
        };
        let unknown = || ApiError::not_implemented(&format!("the filter '{text}'"));
        let filter = tokens(text).and_then(read).ok_or_else(unknown)?;
        match filter.fields_exist(document, schema) {
            true => Ok(filter),
            false => Err(ApiError::invalid_field("filter", text, "Invalid list filter expression.")),
        }
    }

    /// Returns `true` if the filter keeps a resource.
    pub fn matches(&self, resource: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(resource)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(resource)),
            Self::Not(part) => !part.matches(resource),
            Self::Comparison { field, test } => {
                let value = field.split('.').try_fold(resource, |value, part| value.get(part));
                test.holds(value)
            }
        }
    }

    fn fields_exist(&self, document: &Document, schema: &Schema) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().all(|part| part.fields_exist(document, schema))
            }
            Self::Not(part) => part.fields_exist(document, schema),
            Self::Comparison { field, .. } => exists(field, document, schema),
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        let text = value.map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        match (self, text) {
            (Self::Present, text) => text.is_some(),
            (Self::Matches(pattern), text) => text.is_some_and(|text| pattern.is_match(&text)),
            (Self::Compares(Operator::Unequal, _), None) => true,
            (Self::Compares(..), None) => false,
            (Self::Compares(operator, wanted), Some(text)) => operator.holds(order(&text, wanted)),
        }
    }
}

fn order(one: &str, other: &str) -> Ordering {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other),
        _ => one.cmp(other),
    }
}

/// Parses expressions in parentheses side by side, which are combined with AND: "By default, each
/// expression is an AND expression".
fn expression(tokens: &[Token]) -> Option<(Filter, &[Token])> {
    let (first, mut rest) = alternatives(tokens)?;
    let mut all = vec![first];
    loop {
        let next = match rest {
            [Token::Word(word), next @ ..] if word == "AND" => next,
            [Token::Open, ..] => rest,
            _ => return Some((Filter::All(all), rest)),
        };
        let (filter, more) = alternatives(next)?;
        all.push(filter);
        rest = more;
    }
}

/// Parses terms combined with OR, which binds more tightly than AND.
fn alternatives(tokens: &[Token]) -> Option<(Filter, &[Token])> {
    let (first, mut rest) = term(tokens)?;
    let mut any = vec![first];
    while let [Token::Word(word), next @ ..] = rest {
        if word != "OR" {
            break;
        }
        let (filter, more) = term(next)?;
        any.push(filter);
        rest = more;
    }
    Some((Filter::Any(any), rest))
}

fn term(tokens: &[Token]) -> Option<(Filter, &[Token])> {
    match tokens {
        [Token::Word(word), rest @ ..] if word == "NOT" => {
            let (filter, rest) = term(rest)?;
            Some((Filter::Not(Box::new(filter)), rest))
        }
        [Token::Open, inner @ ..] => match expression(inner)? {
            (filter, [Token::Close, rest @ ..]) => Some((filter, rest)),
            _ => None,
        },
        [Token::Word(field), Token::Word(operator), Token::Word(text) | Token::Quoted(text), rest @ ..] => {
            let test = Test::Matches(Regex::new(&format!("^(?:{text})$")).ok()?);
            let comparison = Filter::Comparison { field: field.clone(), test };
            match operator.as_str() {
                "eq" => Some((comparison, rest)),
                "ne" => Some((Filter::Not(Box::new(comparison)), rest)),
                _ => None,
            }
        }
        [Token::Word(field), Token::Operator(operator), value, rest @ ..] => {
            let test = match (operator, value) {
                (Operator::Has, Token::Word(text)) if text == "*" => Test::Present,
                (Operator::Has, _) => return None,
                (_, Token::Quoted(text)) => Test::Compares(*operator, text.clone()),
                // The meaning of `*` within a word is not documented.
                (_, Token::Word(text)) if !text.contains('*') => Test::Compares(*operator, text.clone()),
                _ => return None,
            };
            Some((Filter::Comparison { field: field.clone(), test }, rest))
        }
        _ => None,
    }
}

fn exists(field: &str, document: &Document, schema: &Schema) -> bool {
    let mut schema = schema;
    field.split('.').all(|part| {
        let known = document.resolve(schema);
        let next = known.properties.get(part).or(known.additional_properties.as_deref());
        schema = next.unwrap_or(schema);
        next.is_some()
    })
}
