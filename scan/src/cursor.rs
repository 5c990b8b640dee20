//! Given text that begins outside a string, walks forward over one JSON value: where a string ends, where a container
//! closes, what the members of an object are. Looks into nothing that nobody asks for, and validates no more than it
//! needs to find its way: who keeps a record parses it anyway.

use crate::block::{BLOCK, Carry, Masks};

/// Why a value cannot be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The text ends before the value does.
    End,
    /// What stands here is not JSON, or not what the value needs.
    At(usize),
}

/// A place in a text; moves forward only.
#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a [u8],
    /// The block that `masks` are of.
    block: usize,
    masks: Masks,
    carry: Carry,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning.
    #[inline]
    pub fn new(text: &'a [u8]) -> Self {
        let mut cursor = Self { text, block: 0, masks: Masks::default(), carry: Carry::default() };
        cursor.load();
        cursor
    }

    /// The text.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    #[inline]
    fn load(&mut self) {
        let rest = self.text.get(self.block * BLOCK..).unwrap_or_default();
        self.masks = if let Some(block) = rest.first_chunk() {
            Masks::of(block, &mut self.carry)
        } else {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            Masks::of(&block, &mut self.carry)
        };
    }

    /// Goes to the next block, if there is one.
    #[inline]
    fn advance(&mut self) -> Result<(), Stop> {
        if (self.block + 1) * BLOCK >= self.text.len() {
            return Err(Stop::End);
        }
        self.block += 1;
        self.load();
        Ok(())
    }

    /// Goes to the block of `at`, and gives the bits from there on.
    #[inline]
    fn seek(&mut self, at: usize) -> Result<u64, Stop> {
        while self.block < at / BLOCK {
            self.advance()?;
        }
        Ok(u64::MAX << (at % BLOCK))
    }

    /// The quote that ends the string whose inside begins at `at`.
    #[inline]
    pub fn string_end(&mut self, at: usize) -> Result<usize, Stop> {
        let mut from = self.seek(at)?;
        loop {
            let quotes = self.masks.quotes & from;
            if quotes != 0 {
                return Ok(self.block * BLOCK + quotes.trailing_zeros() as usize);
            }
            self.advance()?;
            from = u64::MAX;
        }
    }

    /// The bracket that closes the container whose inside begins at `at`.
    #[inline]
    pub fn container_end(&mut self, at: usize) -> Result<usize, Stop> {
        let mut from = self.seek(at)?;
        let mut depth = 1_usize;
        loop {
            let mut brackets = self.masks.brackets & from;
            while brackets != 0 {
                let bracket = self.block * BLOCK + brackets.trailing_zeros() as usize;
                if matches!(self.text[bracket], b'{' | b'[') {
                    depth += 1;
                } else {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(bracket);
                    }
                }
                brackets &= brackets - 1;
            }
            self.advance()?;
            from = u64::MAX;
        }
    }

    /// Where the value that begins at `at` ends: the first byte after it.
    #[inline]
    pub fn value_end(&mut self, at: usize) -> Result<usize, Stop> {
        match self.byte(at)? {
            b'"' => Ok(self.string_end(at + 1)? + 1),
            b'{' | b'[' => Ok(self.container_end(at + 1)? + 1),
            b'a'..=b'z' | b'0'..=b'9' | b'-' => {
                let is_end = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                let length = self.text[at..].iter().position(is_end).ok_or(Stop::End)?;
                Ok(at + length)
            }
            _ => Err(Stop::At(at)),
        }
    }

    /// Walks the members of the object whose inside begins at `at`, and gives the first byte after it. `member` gets
    /// the key with its quotes and the place of the value; it gives back the value's end if it has walked it.
    #[inline]
    pub fn members<E: From<Stop>>(
        &mut self,
        at: usize,
        mut member: impl FnMut(&mut Self, &'a [u8], usize) -> Result<Option<usize>, E>,
    ) -> Result<usize, E> {
        let mut at = self.blank_end(at);
        if self.byte(at)? == b'}' {
            return Ok(at + 1);
        }
        loop {
            self.expect(at, b'"')?;
            let end = self.string_end(at + 1)? + 1;
            let key = &self.text[at..end];
            let colon = self.blank_end(end);
            self.expect(colon, b':')?;
            let value = self.blank_end(colon + 1);
            let end = match member(self, key, value)? {
                Some(end) => end,
                None => self.value_end(value)?,
            };
            let next = self.blank_end(end);
            match self.byte(next)? {
                b',' => at = self.blank_end(next + 1),
                b'}' => return Ok(next + 1),
                _ => return Err(Stop::At(next).into()),
            }
        }
    }

    /// Where, from `at` on, the next string begins or the next bracket is; whether a backslash was passed is added to
    /// `escapes`.
    #[inline]
    fn token(&mut self, at: usize, escapes: &mut bool) -> Result<usize, Stop> {
        let mut from = self.seek(at)?;
        loop {
            *escapes |= self.masks.has_backslash;
            let tokens = (self.masks.starts | self.masks.brackets) & from;
            if tokens != 0 {
                return Ok(self.block * BLOCK + tokens.trailing_zeros() as usize);
            }
            self.advance()?;
            from = u64::MAX;
        }
    }

    /// [`Cursor::members`] for objects as machines write them, without white space and without escapes in keys, of
    /// which only those members are wanted whose keys begin in one of a few ways. Gives up with [`Stop::At`] on all
    /// else; and so on what is no JSON, as far as it is seen: what stands between two strings or brackets is not.
    #[inline]
    pub fn likely_members<E: From<Stop>>(
        &mut self,
        at: usize,
        is_likely: impl Fn([u8; 6]) -> bool,
        mut member: impl FnMut(&mut Self, &'a [u8], usize) -> Result<Option<usize>, E>,
    ) -> Result<usize, E> {
        let (mut at, mut escapes) = (at, false);
        loop {
            at = self.token(at, &mut escapes)?;
            let before = self.text[at - 1];
            match self.text[at] {
                b'"' => {
                    if !matches!(before, b',' | b':' | b'{') {
                        return Err(Stop::At(at).into());
                    }
                    let key = at;
                    at += 1;
                    if before != b':' && self.text[at..].first_chunk().is_some_and(|start| is_likely(*start)) {
                        let end = self.string_end(at)? + 1;
                        self.expect(end, b':')?;
                        at = match member(self, &self.text[key..end], end + 1)? {
                            Some(end) => end,
                            None => self.value_end(end + 1)?,
                        };
                    }
                }
                b'{' | b'[' if before == b':' => at = self.container_end(at + 1)? + 1,
                b'}' if !escapes => return Ok(at + 1),
                _ => return Err(Stop::At(at).into()),
            }
        }
    }

    /// The byte at a place.
    #[inline]
    pub fn byte(&self, at: usize) -> Result<u8, Stop> {
        self.text.get(at).copied().ok_or(Stop::End)
    }

    #[inline]
    fn expect(&self, at: usize, wanted: u8) -> Result<(), Stop> {
        if self.byte(at)? == wanted { Ok(()) } else { Err(Stop::At(at)) }
    }

    #[inline]
    fn blank_end(&self, at: usize) -> usize {
        blank_end(self.text, at)
    }
}

/// The first byte from `at` on that is no white space; the text's length if there is none.
#[inline]
pub fn blank_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')).count()
}

/// A string's value from its text, quotes included; None if serde_json would not read it either.
pub fn unescape(string: &[u8]) -> Option<String> {
    serde_json::from_slice(string).ok()
}
