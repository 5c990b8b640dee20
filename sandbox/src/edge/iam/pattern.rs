//! Patterns of policies: `*`, `?` and policy variables (IAM User Guide, "IAM policy elements: Variables and tags"). Pure.

use super::context::Context;

/// One piece of a pattern whose variables are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// `*`: any letters, also none.
    Many,
    /// `?`: one letter.
    One,
    /// This letter, also where a variable's value has a star: values are no patterns.
    Letter(char),
}

/// A pattern whose variables are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

impl Pattern {
    /// A pattern without variables, as actions are.
    pub fn plain(text: &str) -> Self {
        Self(text.chars().map(token).collect())
    }

    /// A pattern of a statement. Nothing when a variable has neither one value nor a default: the element then matches nothing.
    pub fn resolve(text: &str, context: &Context) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            tokens.extend(before.chars().map(token));
            let (variable, after) = after.split_once('}')?;
            match variable {
                "*" | "?" | "$" => tokens.extend(variable.chars().map(Token::Letter)),
                _ => tokens.extend(value(variable, context)?.chars().map(Token::Letter)),
            }
            rest = after;
        }
        tokens.extend(rest.chars().map(token));
        Some(Self(tokens))
    }

    /// Whether the text matches.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        glob(&self.0, &text)
    }

    /// Whether the text is the pattern, with stars taken as stars.
    pub fn is(&self, text: &str) -> bool {
        self.text() == text
    }

    /// The pattern as text, variables resolved.
    pub fn text(&self) -> String {
        let letter = |token: &Token| match token {
            Token::Many => '*',
            Token::One => '?',
            Token::Letter(letter) => *letter,
        };
        self.0.iter().map(letter).collect()
    }

    /// Whether an ARN matches part by part: a star in one of the first five parts stays in it (IAM JSON policy elements: "ARN condition operators").
    pub fn matches_arn(&self, arn: &str) -> bool {
        let mut patterns = self.0.splitn(6, |token| *token == Token::Letter(':'));
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        parts.len() == 6
            && parts.iter().all(|part| {
                let part: Vec<char> = part.chars().collect();
                patterns.next().is_some_and(|pattern| glob(pattern, &part))
            })
    }
}

fn token(letter: char) -> Token {
    match letter {
        '*' => Token::Many,
        '?' => Token::One,
        letter => Token::Letter(letter),
    }
}

/// `key` or `key, 'default'`.
fn value(variable: &str, context: &Context) -> Option<String> {
    let (key, default) = match variable.split_once(',') {
        Some((key, default)) => (key, default.trim().strip_prefix('\'').and_then(|d| d.strip_suffix('\''))),
        None => (variable, None),
    };
    match context.get(key.trim()) {
        Some([value]) => Some(value.clone()),
        _ => default.map(str::to_owned),
    }
}

/// Goes back to the last star only: enough, since a star may take any number of letters.
fn glob(pattern: &[Token], text: &[char]) -> bool {
    let (mut at, mut letter) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while letter < text.len() {
        match pattern.get(at) {
            Some(Token::Many) => {
                star = Some((at, letter));
                at += 1;
            }
            Some(Token::One) => (at, letter) = (at + 1, letter + 1),
            Some(Token::Letter(wanted)) if *wanted == text[letter] => (at, letter) = (at + 1, letter + 1),
            _ => {
                let Some((from, taken)) = star else { return false };
                star = Some((from, taken + 1));
                (at, letter) = (from + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|token| *token == Token::Many)
}
