//! How deep an expression is nested, seen before it is parsed: the parser goes down with it, and would take its thread's stack
//! with it. Whatever could be told apart from nesting by the parser alone is refused.

/// The deepest nesting of brackets and choices that is parsed: about 150 KB of stack for each in a build without optimization.
const DEEPEST: usize = 8;
/// The deepest tree that is evaluated: about 40 KB of stack for each of its levels in such a build.
const DEEPEST_TREE: usize = 24;

/// Why an expression is not even parsed, if it is not.
pub fn refusal(text: &str) -> Option<String> {
    scan(text).err()
}

/// What stands between two brackets.
#[derive(Clone, Copy)]
struct Level {
    /// The bracket that ends it.
    end: char,
    /// How deep the tree of what is read right now is.
    tree: usize,
    /// How deep the deepest before it is.
    deepest: usize,
}

impl Level {
    fn new(end: char) -> Self {
        Self { end, tree: 0, deepest: 0 }
    }

    /// Another tree begins beside the one that was read.
    fn beside(&mut self) {
        self.deepest = self.deepest.max(self.tree);
        self.tree = 0;
    }
}

fn scan(text: &str) -> Result<(), String> {
    let (mut rest, mut choices) = (text, 0);
    let (mut level, mut around) = (Level::new(' '), Vec::new());
    while let Some(c) = rest.chars().next() {
        let before = rest;
        rest = match c {
            '\'' | '"' => after_text(rest, c, false)?,
            '`' => return Err("it has a name in backquotes".to_owned()),
            '/' if rest.starts_with("//") => rest.find('\n').map_or("", |end| &rest[end..]),
            c if is_of_word(c) => after_word(rest)?,
            c => &rest[c.len_utf8()..],
        };
        match c {
            '(' | '[' | '{' => {
                let end = if c == '(' { ')' } else { char::from(c as u8 + 2) };
                around.push(std::mem::replace(&mut level, Level::new(end)));
            }
            ')' | ']' | '}' => {
                let outer = around.pop().filter(|_| level.end == c).ok_or_else(|| format!("its {c} closes nothing"))?;
                level.beside();
                let inner = level.deepest;
                level = Level { tree: outer.tree.max(inner) + 1, ..outer };
            }
            ',' | ':' | '&' | '|' => level.beside(),
            // What follows a question mark is read as a part of it.
            '?' => {
                choices += 1;
                level.beside();
            }
            // Each takes all that stands to its left as a part.
            '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '.' => level.tree += 1,
            _ if before[..before.len() - rest.len()] == *"in" => level.tree += 1,
            _ => {}
        }
        if around.len() + choices > DEEPEST || level.tree + around.len() + choices > DEEPEST_TREE {
            return Err("it is nested too deep".to_owned());
        }
    }
    Ok(())
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// After a word: where it is the prefix of a text, after that too.
fn after_word(rest: &str) -> Result<&str, String> {
    let (word, after) = rest.split_at(rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()));
    match after.chars().next() {
        Some(quote @ ('\'' | '"')) => match word.to_ascii_lowercase().as_str() {
            "b" => after_text(after, quote, false),
            "r" | "br" => after_text(after, quote, true),
            _ => Err(format!("a text follows {word}")),
        },
        _ => Ok(after),
    }
}

/// After a text in quotes, which `rest` begins with.
fn after_text(rest: &str, quote: char, raw: bool) -> Result<&str, String> {
    let three = &quote.to_string().repeat(3);
    let (end, lines) = if rest.starts_with(three) { (three.as_str(), true) } else { (&three[..1], false) };
    let mut rest = &rest[end.len()..];
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            return Ok(after);
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => return Err("a text in it has no end".to_owned()),
            Some('\n' | '\r') if !lines => return Err("a text in it goes over a line's end".to_owned()),
            Some('\\') if !raw => match chars.next() {
                Some(c) if "abfnrtv\\'\"?`".contains(c) => {}
                other => {
                    return Err(format!("\\{} in a text is not read", other.map(String::from).unwrap_or_default()));
                }
            },
            Some(_) => {}
        }
        rest = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn what_policies_say_is_read() {
        for text in [
            "size(plan.changes.filter(c, (c.type == 'x' && !(c.address.startsWith('y')))))",
            "event.name.matches(r'^\\(\\(\\(\\(\\(\\(\\(\\(\\(\\($') || event.name in ['((((((((((', \"[[[[[[[[[[[\"]",
            "size(b'((((((((((') == 10 && change                                   == 'Deleted'",
            "change == '''a\n'b' ((((((((((''' // ((((((((((\n && change != 'it\\'s (((((((((('",
        ] {
            assert_eq!(refusal(text), None, "{text}");
        }
    }

    #[test]
    fn an_expression_is_read_up_to_a_depth_and_no_further() {
        let sum = |count: usize| vec!["1"; count + 1].join(" + ");
        for (read, refused) in [
            ("(".repeat(8), "(".repeat(9)),
            (format!("{}change ? 1 : 2", "(".repeat(7)), format!("{}change ? 1 : 2", "(".repeat(8))),
            (sum(24), sum(25)),
            (format!("({}) + {}", sum(11), sum(11)), format!("({}) + {}", sum(11), sum(12))),
            (format!("{}{}", "(".repeat(8), sum(16)), format!("{}{}", "(".repeat(8), sum(17))),
            (format!("a{}", " in a".repeat(24)), format!("a{}", " in a".repeat(25))),
        ] {
            assert_eq!(refusal(&read), None, "{read}");
            assert!(refusal(&refused).is_some_and(|why| why.contains("too deep")), "{refused}");
        }
        assert_eq!(
            refusal(&format!("[{}]", vec![sum(5); 20].join(", "))),
            None,
            "what stands side by side is not deep"
        );
    }

    #[test]
    fn nesting_is_seen_however_it_is_hidden() {
        let deep = "(".repeat(100);
        for text in [
            deep.clone(),
            "a ? ".repeat(100),
            "[{(".repeat(100),
            "(]".repeat(100),
            format!("xr'\\'))' {deep}"),
            format!("xr'\\' {deep}'"),
            format!("'\\q {deep}'"),
            format!("'\n{deep}'"),
            format!("'{deep}"),
            format!("r'\\' {deep} ''"),
            format!("''' ' {deep} '"),
            format!("// '\n{deep} '"),
            format!("1 / {deep}"),
            format!("event.`a//b` {deep}"),
            format!(")))) {deep}"),
        ] {
            assert!(refusal(&text).is_some(), "{text}");
        }
    }
}
