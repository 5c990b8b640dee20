//! Text that comes from elsewhere, as it may be kept and shown; and the names that AWS has for the same thing.

/// At most `max` characters, none of which a terminal or a log could take for an order: control characters and those
/// that change the writing direction are written as escapes.
pub fn shorten(text: &str, max: usize) -> String {
    let mut short = String::new();
    let mut left = max;
    for c in text.chars() {
        let shown: String = if is_unsafe(c) { c.escape_unicode().collect() } else { c.into() };
        let Some(rest) = left.checked_sub(shown.chars().count()) else { break };
        left = rest;
        short.push_str(&shown);
    }
    short
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Lambda's names carry an API version: `DeleteFunction20150331`, `UpdateFunctionConfiguration20150331v2`. The scanner of logs
/// has the same rule for itself; a test holds the two together.
pub fn without_version(name: &str) -> &str {
    let base = match name.rsplit_once('v') {
        Some((base, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => name,
    };
    match base.len().checked_sub(8).map(|at| base.split_at_checked(at)) {
        Some(Some((stem, date))) if !stem.is_empty() && date.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_reaches_a_terminal_as_an_order() {
        assert_eq!(shorten("a\u{1b}[31mb\u{202e}c", 100), "a\\u{1b}[31mb\\u{202e}c");
        assert_eq!(shorten("äöü", 2), "äö");
    }
}
