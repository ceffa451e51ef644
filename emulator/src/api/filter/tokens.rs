//! The tokens of a filter.

use std::cmp::Ordering;

/// A word or a sign.
#[derive(Debug, PartialEq)]
pub enum Token {
    Open,
    Close,
    Operator(Operator),
    Word(String),
    Quoted(String),
}

/// A comparison of a field with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
}

/// The signs. A sign precedes the signs that are a prefix of it.
const SIGNS: [(&str, Token); 9] = [
    ("(", Token::Open),
    (")", Token::Close),
    ("!=", Token::Operator(Operator::Unequal)),
    ("<=", Token::Operator(Operator::LessOrEqual)),
    (">=", Token::Operator(Operator::GreaterOrEqual)),
    ("=", Token::Operator(Operator::Equal)),
    ("<", Token::Operator(Operator::Less)),
    (">", Token::Operator(Operator::Greater)),
    (":", Token::Operator(Operator::Has)),
];

impl Operator {
    /// Returns `true` if the comparison holds for a field's value that is in this order to the
    /// given value.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Has => false,
        }
    }
}

/// Splits a filter into tokens. `None` means that a quotation does not end.
pub fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (token, more) = token(rest)?;
        tokens.push(token);
        rest = more.trim_start();
    }
    Some(tokens)
}

/// Returns the first token and the rest.
fn token(text: &str) -> Option<(Token, &str)> {
    for (sign, token) in SIGNS {
        if let Some(rest) = text.strip_prefix(sign) {
            return Some((token, rest));
        }
    }
    if let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let (quoted, rest) = text[1..].split_once(quote)?;
        return Some((Token::Quoted(quoted.to_owned()), rest));
    }
    let ends = |c: char| c.is_whitespace() || "()=<>:\"'".contains(c);
    let length = text.find(ends).unwrap_or(text.len());
    // The word of `name!=x` ends before the `!`.
    let length = match text.get(..length) {
        Some(word) if word.ends_with('!') && text[length..].starts_with('=') => length - 1,
        _ => length,
    };
    let (word, rest) = text.split_at_checked(length).filter(|(word, _)| !word.is_empty())?;
    Some((Token::Word(word.to_owned()), rest))
}
