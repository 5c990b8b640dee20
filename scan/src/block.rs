//! Given 64 bytes of JSON and what came before, says by bit masks where strings and containers begin and end. Knows
//! no grammar and never fails.
//!
//! The method is that of simdjson's first stage (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 3.1).
//! Why not a library: `sonic-rs` chooses its SIMD when it is compiled, so that a binary for every machine gets little
//! of it, and its `get_many` takes the first of duplicated keys where serde_json takes the last; `simd-json` wants the
//! whole input, mutable. `wide` gives SSE2 and NEON, which every x86-64 and every aarch64 has, without unsafe here.
//! `pulp` would give AVX2 where the processor has it, but brings `paste`, which nobody maintains.

use wide::u8x16;

/// Bytes in a block: one bit each in a mask.
pub const BLOCK: usize = 64;

/// What one block leaves to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carry {
    /// All ones inside a string, else zero.
    in_string: u64,
    /// One if the next block's first byte is escaped.
    escaped: u64,
}

/// Where structure is in a block; the lowest bit is the first byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct Masks {
    /// Quotes that begin or end a string.
    pub quotes: u64,
    /// Those that begin one.
    pub starts: u64,
    /// Brackets and braces outside strings. Which of them, their bytes say: they are few.
    pub brackets: u64,
    /// Whether there is a backslash anywhere.
    pub has_backslash: bool,
}

impl Masks {
    /// Reads a block.
    #[inline]
    pub fn of(block: &[u8; BLOCK], carry: &mut Carry) -> Self {
        let lanes: [u8x16; 4] = std::array::from_fn(|i| {
            let (lanes, _) = block.as_chunks::<16>();
            u8x16::new(lanes[i])
        });
        let is = |byte: u8| move |lane: u8x16| lane.simd_eq(u8x16::splat(byte));
        let backslashes = lanes.map(is(b'\\'));
        // Most blocks have none: then there is no need to know where.
        let [a, b, c, d] = backslashes;
        let has_backslash = (a | b | c | d).to_bitmask() != 0;
        let escaped = if has_backslash {
            escaped(mask(backslashes), &mut carry.escaped)
        } else {
            std::mem::take(&mut carry.escaped)
        };
        let quotes = mask(lanes.map(is(b'"'))) & !escaped;
        // `[` and `{`, and `]` and `}`, differ in one bit only.
        let brackets = mask(lanes.map(|lane| {
            let brace = lane | u8x16::splat(0x20);
            is(b'{')(brace) | is(b'}')(brace)
        }));
        let strings = prefix_xor(quotes) ^ carry.in_string;
        carry.in_string = 0_u64.wrapping_sub(strings >> 63);
        Self { quotes, starts: quotes & strings, brackets: brackets & !strings, has_backslash }
    }
}

#[inline]
fn mask(lanes: [u8x16; 4]) -> u64 {
    let [a, b, c, d] = lanes.map(|lane| u64::from(lane.to_bitmask()));
    a | b << 16 | c << 32 | d << 48
}

/// The bytes that a backslash before them escapes. A run of backslashes escapes what follows only if it is odd; the
/// subtraction finds that for all runs at once (simdjson, `json_escape_scanner.h`).
#[inline]
fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let potential = backslashes & !*carry;
    let both = ((potential << 1) | ODD).wrapping_sub(potential) ^ ODD;
    let escaped = both ^ (backslashes | *carry);
    *carry = (both & backslashes) >> 63;
    escaped
}

/// Each bit becomes the parity of itself and all lower ones: from a quote on, the inside of a string.
#[inline]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, byte by byte: quote, start, bracket.
    fn slowly(bytes: &[u8]) -> Vec<[bool; 3]> {
        let (mut in_string, mut escaped) = (false, false);
        let one = |b: &u8| {
            let quote = *b == b'"' && !escaped;
            let outside = !in_string;
            in_string ^= quote;
            escaped = *b == b'\\' && !escaped;
            [quote, quote && outside, outside && b"{}[]".contains(b)]
        };
        bytes.iter().map(one).collect()
    }

    proptest! {
        #[test]
        fn masks_say_what_a_loop_over_bytes_says(bytes in proptest::collection::vec(
            proptest::sample::select(b"\"\"\\\\\\{}[]ab".to_vec()), 0..400)) {
            let mut carry = Carry::default();
            let mut found = Vec::new();
            for chunk in bytes.chunks(BLOCK) {
                let mut block = [0; BLOCK];
                block[..chunk.len()].copy_from_slice(chunk);
                let masks = Masks::of(&block, &mut carry);
                let bit = |mask: u64, i: usize| mask >> i & 1 == 1;
                found.extend((0..chunk.len()).map(|i| [masks.quotes, masks.starts, masks.brackets].map(|mask| bit(mask, i))));
            }
            prop_assert_eq!(found, slowly(&bytes));
        }
    }
}
