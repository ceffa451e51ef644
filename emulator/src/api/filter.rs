//! `filter` of lists: comparisons as AIP-160 has them, <https://google.aip.dev/160>, all of which must hold.

use serde_json::Value;

use crate::discovery::{Document, Schema};
use crate::error::ApiError;

/// `(status = RUNNING) AND (labels.team != "a")`.
#[derive(Debug, PartialEq)]
pub struct Filter(Vec<Comparison>);

#[derive(Debug, PartialEq)]
struct Comparison {
    /// `labels.team`.
    field: String,
    /// `=`, or else `!=`.
    equal: bool,
    value: String,
}

#[derive(Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Equal,
    Unequal,
    Word(String),
}

impl Filter {
    /// Reads a filter and checks its names against the schema of what is listed.
    ///
    /// # Errors
    /// A name that there is not, or a form that the emulator does not know.
    pub fn parse(text: &str, document: &Document, schema: &Schema) -> Result<Self, ApiError> {
        let unknown = || ApiError::not_implemented(&format!("the filter '{text}'"));
        let comparisons = tokens(text).and_then(|tokens| comparisons(&tokens)).ok_or_else(unknown)?;
        match comparisons.iter().all(|comparison| exists(&comparison.field, document, schema)) {
            true => Ok(Self(comparisons)),
            false => Err(ApiError::invalid_field("filter", text, "Invalid list filter expression.")),
        }
    }

    /// Whether a resource is to be in the list.
    pub fn takes(&self, resource: &Value) -> bool {
        self.0.iter().all(|comparison| comparison.holds(resource))
    }
}

impl Comparison {
    fn holds(&self, resource: &Value) -> bool {
        let mut value = Some(resource);
        for part in self.field.split('.') {
            value = value.and_then(|value| value.get(part));
        }
        let text = value.map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        (text.as_ref() == Some(&self.value)) == self.equal
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (token, length) = token(rest)?;
        tokens.push(token);
        rest = rest.get(length..)?.trim_start();
    }
    Some(tokens)
}

/// The first token, and how long it is.
fn token(text: &str) -> Option<(Token, usize)> {
    for (sign, token) in
        [("(", Token::Open), (")", Token::Close), ("=", Token::Equal), ("!=", Token::Unequal)]
    {
        if text.starts_with(sign) {
            return Some((token, sign.len()));
        }
    }
    if let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let (quoted, _) = text[1..].split_once(quote)?;
        return Some((Token::Word(quoted.to_owned()), quoted.len() + 2));
    }
    // Neither `*`, which stands for any text, nor the operator `:`.
    let plain = |c: char| c.is_alphanumeric() || "-_./@+".contains(c);
    let length = text.find(|c| !plain(c)).unwrap_or(text.len());
    let word = text.get(..length).filter(|word| !word.is_empty())?;
    Some((Token::Word(word.to_owned()), length))
}

fn comparisons(tokens: &[Token]) -> Option<Vec<Comparison>> {
    let mut all = Vec::new();
    let mut rest = tokens;
    loop {
        let (comparison, more) = comparison(rest)?;
        all.push(comparison);
        rest = match more {
            [] => return Some(all),
            [Token::Word(word), more @ ..] if word == "AND" => more,
            // "By default, each expression is an AND expression": of those in parentheses.
            [Token::Open, ..] => more,
            _ => return None,
        };
    }
}

fn comparison(tokens: &[Token]) -> Option<(Comparison, &[Token])> {
    match tokens {
        [Token::Open, inner @ ..] => match comparison(inner)? {
            (comparison, [Token::Close, rest @ ..]) => Some((comparison, rest)),
            _ => None,
        },
        [Token::Word(field), sign @ (Token::Equal | Token::Unequal), Token::Word(value), rest @ ..] => {
            let equal = *sign == Token::Equal;
            Some((Comparison { field: field.clone(), equal, value: value.clone() }, rest))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discovery::COMPUTE;

    fn takes(text: &str) -> Result<bool, ApiError> {
        let resource = json!({
            "name": "vm-1", "status": "RUNNING", "labels": { "team-x": "a b" }, "scheduling": { "preemptible": true },
        });
        Filter::parse(text, &COMPUTE, &COMPUTE.schemas["Instance"]).map(|filter| filter.takes(&resource))
    }

    #[test]
    fn comparisons_of_any_field() {
        let cases = [
            ("name=vm-1", true),
            ("name = \"vm-2\"", false),
            ("name != vm-2", true),
            ("labels.team-x='a b'", true),
            ("labels.other=a", false),
            ("labels.other!=a", true),
            ("scheduling.preemptible = true", true),
            ("(name=vm-1) AND (status=RUNNING)", true),
            ("(name=vm-1) (status=TERMINATED)", false),
            ("name=vm-1 AND status=RUNNING", true),
        ];
        for (text, expected) in cases {
            assert_eq!(takes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_it_does_not_know() {
        for text in
            ["", "vm-1", "name=", "name=vm-*", "name eq vm", "labels.a:*", "(name=a) OR (name=b)", "(name=a"]
        {
            assert_eq!(takes(text).unwrap_err().reason, "notImplemented", "{text}");
        }
        for text in ["nmae=vm-1", "scheduling.spot=true", "name.first=x"] {
            assert_eq!(takes(text).unwrap_err().reason, "invalid", "{text}");
        }
    }
}
