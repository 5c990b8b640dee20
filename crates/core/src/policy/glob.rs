//! Globs on ids.

/// Whether `text` matches a glob of `*` (any characters, slashes too) and `?` (one character).
///
/// The crates for globs speak of paths, where `*` stops at a slash and brackets have a meaning; ids of AWS are not
/// paths. Linear in practice and never exponential: only the last star is gone back to.
pub fn matches_glob(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    // Where the glob goes on after its last star, and the text after what that star takes.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                g += 1;
                star = Some((g, t));
            }
            Some(&c) if c == '?' || c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = &mut star else { return false };
                *from += 1;
                (g, t) = (*after, *from);
            }
        }
    }
    glob[g..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches_glob;

    #[test]
    fn globs_match_whole_ids() {
        for (glob, text) in [("*", ""), ("orders-*", "orders-eu"), ("a?c", "abc"), ("*b*", "abc"), ("/x/*", "/x/y/z")] {
            assert!(matches_glob(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("orders-*", "my-orders-eu"), ("a?c", "ac"), ("", "a"), ("*x", "xy"), ("A", "a")] {
            assert!(!matches_glob(glob, text), "{glob} {text}");
        }
    }

    #[test]
    fn a_hostile_glob_takes_no_time() {
        assert!(!matches_glob(&"*a".repeat(200), &"a".repeat(150)));
    }
}
