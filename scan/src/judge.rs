//! Given the text of one record or envelope, says whether anybody has to look at it, and if not, why. Pure. Builds no
//! DOM: a record's own members are walked, what they contain is stepped over.
//!
//! The reasons and their order are those of `intake/event.rs` and `intake/detect.rs`; of a key that stands twice the
//! last counts, as it does for serde_json.

use crate::cursor::{Cursor, Stop, unescape};
use crate::wanted::Wanted;

/// The only kind of envelope that carries an API call.
const API_CALL: &[u8] = b"\"AWS API Call via CloudTrail\"";

/// In which form a record came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// CloudTrail's own.
    Record,
    /// Inside EventBridge's envelope, as `detail`.
    Envelope,
}

/// Why nobody has to look at a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// An envelope of another kind than an API call: a sign-in, a service's own event.
    OtherKind,
    /// A JSON object without event source or event name: an Insights event, or nothing of CloudTrail's.
    Nameless,
    /// The call failed: nothing happened.
    FailedCall,
    /// The call only reads.
    ReadOnly,
    /// Not one of the calls that are asked for.
    NotInCatalogue,
}

/// What a record amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody has to look.
    Keep(Form),
    /// Nobody has to.
    Drop(Reason),
}

/// Why a text has no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVerdict {
    /// It is no JSON object.
    Broken(Stop),
    /// It is a log file's `{"Records": [`; what is after the bracket begins here.
    Wrapper(usize),
}

impl From<Stop> for NoVerdict {
    fn from(stop: Stop) -> Self {
        Self::Broken(stop)
    }
}

/// Judges the object that begins with `text`; the verdict, and the first byte after it.
#[inline]
pub fn verdict(text: &[u8], wanted: &Wanted) -> Result<(Verdict, usize), NoVerdict> {
    match judge_in::<true>(text, wanted) {
        // What is written in an unusual way, or is no JSON: slower, and sure.
        Err(NoVerdict::Broken(_)) => judge_in::<false>(text, wanted),
        done => done,
    }
}

/// Walks an object's members: all with all care, or likely ones in haste.
#[inline]
fn members<'a, const HASTE: bool, E: From<Stop>>(
    cursor: &mut Cursor<'a>,
    at: usize,
    member: impl FnMut(&mut Cursor<'a>, &'a [u8], usize) -> Result<Option<usize>, E>,
) -> Result<usize, E> {
    if HASTE { cursor.likely_members(at, Key::is_likely, member) } else { cursor.members(at, member) }
}

#[inline]
fn judge_in<const HASTE: bool>(text: &[u8], wanted: &Wanted) -> Result<(Verdict, usize), NoVerdict> {
    let mut cursor = Cursor::new(text);
    if cursor.byte(0)? != b'{' {
        return Err(Stop::At(0).into());
    }
    let mut own = Fields::default();
    let (mut kind, mut detail) = (None, None);
    let end = members::<HASTE, _>(&mut cursor, 1, |cursor, key, at| match Key::of(key) {
        Key::Field(field) => Ok(Some(own.take(field, cursor, at)?)),
        Key::Records if cursor.byte(at)? == b'[' => Err(NoVerdict::Wrapper(at + 1)),
        Key::Kind => {
            let end = cursor.value_end(at)?;
            kind = string(&text[at..end]);
            Ok(Some(end))
        }
        Key::Detail if cursor.byte(at)? == b'{' => {
            let (fields, end) = Fields::walk::<HASTE>(cursor, at + 1)?;
            detail = Some(fields);
            Ok(Some(end))
        }
        Key::Detail => {
            detail = None;
            Ok(None)
        }
        Key::Records | Key::Other => Ok(None),
    })?;
    let verdict = match (kind, detail) {
        (Some(kind), Some(_)) if !is_api_call(kind) => Verdict::Drop(Reason::OtherKind),
        (Some(_), Some(detail)) => detail.verdict(Form::Envelope, wanted),
        _ => own.verdict(Form::Record, wanted),
    };
    Ok((verdict, end))
}

fn is_api_call(kind: &[u8]) -> bool {
    kind == API_CALL || unescape(kind).is_some_and(|kind| kind.as_bytes() == &API_CALL[1..API_CALL.len() - 1])
}

/// A field that the verdict depends on.
#[derive(Clone, Copy)]
enum Field {
    ErrorCode,
    ReadOnly,
    Source,
    Name,
}

enum Key {
    Field(Field),
    Kind,
    Detail,
    Records,
    Other,
}

impl Key {
    /// Whether a key that begins like this may be one of them.
    #[inline]
    fn is_likely(start: [u8; 6]) -> bool {
        // Without short cuts: a wrong guess of the processor's costs more than all six comparisons.
        let is = |name: &[u8; 6]| start == *name;
        is(b"errorC") | is(b"readOn") | is(b"eventS") | is(b"eventN") | is(b"detail") | is(b"Record")
    }

    #[inline]
    fn of(key: &[u8]) -> Self {
        match key {
            b"\"errorCode\"" => Self::Field(Field::ErrorCode),
            b"\"readOnly\"" => Self::Field(Field::ReadOnly),
            b"\"eventSource\"" => Self::Field(Field::Source),
            b"\"eventName\"" => Self::Field(Field::Name),
            b"\"detail-type\"" => Self::Kind,
            b"\"detail\"" => Self::Detail,
            b"\"Records\"" => Self::Records,
            _ if key.contains(&b'\\') => Self::unescaped(key),
            _ => Self::Other,
        }
    }

    #[cold]
    fn unescaped(key: &[u8]) -> Self {
        match unescape(key) {
            // None of ours needs an escape.
            Some(plain) if !plain.contains(['\\', '"']) => Self::of(format!("\"{plain}\"").as_bytes()),
            _ => Self::Other,
        }
    }
}

/// The fields of a record that the verdict depends on; strings with their quotes, as written.
#[derive(Default)]
struct Fields<'a> {
    failed: bool,
    read_only: bool,
    source: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// The fields of an envelope's `detail`, whose inside begins at `at`.
    fn walk<const HASTE: bool>(cursor: &mut Cursor<'a>, at: usize) -> Result<(Self, usize), Stop> {
        let mut fields = Self::default();
        let end = members::<HASTE, _>(cursor, at, |cursor, key, at| match Key::of(key) {
            Key::Field(field) => fields.take(field, cursor, at).map(Some),
            _ => Ok(None),
        })?;
        Ok((fields, end))
    }

    #[inline]
    fn take(&mut self, field: Field, cursor: &mut Cursor<'a>, at: usize) -> Result<usize, Stop> {
        let end = cursor.value_end(at)?;
        let value = &cursor.text()[at..end];
        match field {
            // A text, as `intake/event.rs` has it. CloudTrail writes no others.
            Field::ErrorCode => self.failed = string(value).is_some(),
            Field::ReadOnly => self.read_only = is_true(value),
            Field::Source => self.source = string(value),
            Field::Name => self.name = string(value),
        }
        Ok(end)
    }

    #[inline]
    fn verdict(&self, form: Form, wanted: &Wanted) -> Verdict {
        let (Some(source), Some(name)) = (self.source, self.name) else { return Verdict::Drop(Reason::Nameless) };
        if source == b"\"\"" || name == b"\"\"" {
            Verdict::Drop(Reason::Nameless)
        } else if self.failed {
            Verdict::Drop(Reason::FailedCall)
        } else if self.read_only {
            Verdict::Drop(Reason::ReadOnly)
        } else if is_wanted(source, name, wanted) {
            Verdict::Keep(form)
        } else {
            Verdict::Drop(Reason::NotInCatalogue)
        }
    }
}

#[inline]
fn string(value: &[u8]) -> Option<&[u8]> {
    value.starts_with(b"\"").then_some(value)
}

fn is_true(value: &[u8]) -> bool {
    match value {
        b"true" => true,
        b"false" => false,
        [b'"', ..] => unescape(value).is_some_and(|word| word.eq_ignore_ascii_case("true")),
        _ => false,
    }
}

/// One record in eight gets here; hardly any is written with escapes.
fn is_wanted(source: &[u8], name: &[u8], wanted: &Wanted) -> bool {
    if let (Some(source), Some(name)) = (plain(source), plain(name)) {
        return wanted.has(source, name);
    }
    unescape(source).zip(unescape(name)).is_some_and(|(source, name)| wanted.has(&source, &name))
}

/// A string's value where that is what is written between its quotes.
fn plain(string: &[u8]) -> Option<&str> {
    let inside = string.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let is_plain = inside.iter().all(|b| *b >= b' ' && *b != b'\\');
    std::str::from_utf8(inside).ok().filter(|_| is_plain)
}
