//! The regular expressions of API models, which are Java's, for a crate that is not.
//!
//! Given a pattern and a text, it says whether the whole text matches, as `Matcher.matches` does; of a pattern that can't be put into the
//! crate's words (look-around) it says that it does not know. Java's `\d`, `\w` and `\s` know ASCII only.

use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::str::Chars;
use std::sync::{Arc, Mutex, PoisonError};

/// Counted repetitions of Unicode classes grow large: the most memory for one pattern.
const SIZE: usize = 64 << 20;

/// The patterns that were needed so far, compiled.
#[derive(Debug, Default)]
pub struct Patterns(Mutex<HashMap<String, Option<Arc<Regex>>>>);

impl Patterns {
    /// Whether the text matches; nothing when the pattern can't be compiled.
    pub fn matches(&self, pattern: &str, text: &str) -> Option<bool> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let regex = known.entry(pattern.to_owned()).or_insert_with(|| compile(pattern).map(Arc::new)).clone();
        drop(known);
        regex.map(|regex| regex.is_match(text))
    }
}

fn compile(pattern: &str) -> Option<Regex> {
    let whole = format!(r"\A(?:{})\z", translate(pattern));
    match RegexBuilder::new(&whole).size_limit(SIZE).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            tracing::debug!(pattern, %error, "a pattern of an API model is not checked");
            None
        }
    }
}

/// Java's escapes in the crate's words.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    let mut in_class = 0_u32;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let Some(escaped) = letters.next() else { break };
                match (escaped, in_class > 0) {
                    ('d', true) => out.push_str("0-9"),
                    ('d', false) => out.push_str("[0-9]"),
                    ('w', true) => out.push_str("0-9A-Za-z_"),
                    ('w', false) => out.push_str("[0-9A-Za-z_]"),
                    ('s', true) => out.push_str(r" \t\n\x0B\x0C\r"),
                    ('s', false) => out.push_str(r"[ \t\n\x0B\x0C\r]"),
                    ('D', _) => out.push_str("[^0-9]"),
                    ('W', _) => out.push_str("[^0-9A-Za-z_]"),
                    ('S', _) => out.push_str(r"[^ \t\n\x0B\x0C\r]"),
                    ('Z', _) => out.push_str(r"\z"),
                    ('u', _) => out.extend(format!(r"\x{{{:X}}}", code_point(&mut letters)).chars()),
                    ('p', _) if skip(&mut letters, "{Print}") => {
                        out.push_str(if in_class > 0 { r"\x20-\x7E" } else { r"[\x20-\x7E]" });
                    }
                    // Escapes of what needs none, which the crate refuses.
                    (' ' | '<' | '>', _) => out.push(escaped),
                    _ => out.extend(['\\', escaped]),
                }
            }
            '[' => {
                in_class += 1;
                out.push('[');
                if skip(&mut letters, "^") {
                    out.push('^');
                }
            }
            ']' if in_class > 0 => {
                in_class -= 1;
                out.push(']');
            }
            _ => out.push(letter),
        }
    }
    out
}

/// The number after `\u`; two surrogates are one letter.
fn code_point(letters: &mut Chars<'_>) -> u32 {
    let first = four_digits(letters);
    if !(0xD800..0xDC00).contains(&first) || !skip(letters, r"\u") {
        return first;
    }
    let second = four_digits(letters);
    0x1_0000 + ((first - 0xD800) << 10) + second.saturating_sub(0xDC00)
}

fn four_digits(letters: &mut Chars<'_>) -> u32 {
    letters.take(4).filter_map(|digit| digit.to_digit(16)).fold(0, |number, digit| number * 16 + digit)
}

/// Goes past this text if it comes next.
fn skip(letters: &mut Chars<'_>, text: &str) -> bool {
    match letters.as_str().strip_prefix(text) {
        Some(rest) => {
            *letters = rest.chars();
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> Option<bool> {
        Patterns::default().matches(pattern, text)
    }

    #[test]
    fn a_pattern_holds_for_the_whole_text() {
        assert_eq!(matches(r"[\w+=,.@-]+", "recovery-role"), Some(true));
        assert_eq!(matches(r"[\w+=,.@-]+", "recovery role"), Some(false));
        assert_eq!(matches(r"^arn:.*$", "arn:x"), Some(true));
        assert_eq!(matches("a|b", "ab"), Some(false));
    }

    #[test]
    fn classes_know_ascii_only_and_properties_know_all_letters() {
        assert_eq!(matches(r"\w+", "rôle"), Some(false));
        assert_eq!(matches(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "rôle 7"), Some(true));
        assert_eq!(matches(r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "grüße 🦀"), Some(true));
        assert_eq!(matches(r"\p{Print}+", "a\nb"), Some(false));
        assert_eq!(matches(r"\d{12}", "٣٣٣٣٣٣٣٣٣٣٣٣"), Some(false));
    }

    #[test]
    fn a_pattern_that_looks_around_is_not_known() {
        assert_eq!(matches("(?!aws).*", "aws"), None);
    }
}
