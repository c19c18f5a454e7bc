//! Entropy-coded bits and Huffman codes (T.81 annexes C and F).

/// Codes up to this length are decoded with one look-up.
const LOOKUP_BITS: u32 = 9;

/// Reads bits most significant first, removing stuffed zeros and stopping at markers.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
    buffer: u64,
    count: u32,
    /// Zero bits invented after the data ran out; they always lie at the buffer's end.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position, buffer: 0, count: 0, invented: 0 }
    }

    /// Where the marker after the entropy-coded data is to be searched for.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether bits were consumed that the data does not have.
    pub fn overran(&self) -> bool {
        self.invented > self.count
    }

    /// Makes at least 32 bits available.
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(&word) = self.bytes.get(self.position..).and_then(|rest| rest.first_chunk()) {
            let word = u32::from_be_bytes(word);
            // A byte of `word` is 0xff exactly where a byte of `!word` is zero.
            let has_marker_byte = (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 != 0;
            if !has_marker_byte {
                self.buffer |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.position += 4;
                return;
            }
        }
        while self.count <= 56 {
            let byte = match (self.bytes.get(self.position), self.bytes.get(self.position + 1)) {
                (Some(0xff), Some(0)) => {
                    self.position += 2;
                    0xff
                }
                (Some(0xff), Some(0xff)) => {
                    self.position += 1;
                    continue;
                }
                (Some(0xff) | None, _) => {
                    self.invented += 8;
                    0
                }
                (Some(&byte), _) => {
                    self.position += 1;
                    byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next `n` bits (at most 16), which stay.
    #[inline]
    fn peek(&self, n: u32) -> usize {
        // Two shifts, so that `n` may be 0.
        (self.buffer >> 1 >> (63 - n)) as usize
    }

    #[inline]
    fn consume(&mut self, n: u32) {
        self.buffer <<= n;
        self.count -= n;
    }

    /// Reads `n` bits (at most 16).
    #[inline]
    pub fn take(&mut self, n: u32) -> i32 {
        self.refill();
        let value = self.peek(n) as i32;
        self.consume(n);
        value
    }

    /// Reads an `n`-bit magnitude with T.81's sign extension (figure F.12).
    #[inline]
    pub fn take_signed(&mut self, n: u32) -> i32 {
        let value = self.take(n);
        if n > 0 && value >> (n - 1) == 0 { value - (1 << n) + 1 } else { value }
    }

    /// Drops the rest of the interval and moves behind its restart marker.
    pub fn restart(&mut self) -> Result<(), String> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let at = rest
            .windows(2)
            .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff))
            .filter(|&at| matches!(rest[at + 1], 0xd0..=0xd7))
            .ok_or("the JPEG data is truncated or damaged: a restart marker is missing")?;
        *self = Self::new(self.bytes, self.position + at + 2);
        Ok(())
    }
}

/// A Huffman table.
pub(super) struct Huffman {
    /// `length << 8 | symbol` for every prefix of [`LOOKUP_BITS`]; 0 where the code is longer.
    lookup: Vec<u16>,
    /// Largest code of each length; -1 where there is none.
    max_code: [i32; 17],
    /// Index into `symbols` minus code, by length.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// From the number of codes of each length 1 ... 16 and the symbols in code order.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, String> {
        let mut table = Self {
            lookup: vec![0; 1 << LOOKUP_BITS],
            max_code: [-1; 17],
            offset: [0; 17],
            symbols: symbols.to_vec(),
        };
        let mut remaining = symbols;
        let mut code = 0usize;
        for (length, &count) in (1u32..).zip(counts) {
            let (here, later) = remaining
                .split_at_checked(usize::from(count))
                .ok_or("a Huffman table has fewer symbols than codes")?;
            if code + here.len() > 1 << length {
                return Err("a Huffman table has more codes than fit their length".into());
            }
            let first_index = symbols.len() - remaining.len();
            table.offset[length as usize] = first_index as i32 - code as i32;
            for &symbol in here {
                if length <= LOOKUP_BITS {
                    let spare = LOOKUP_BITS - length;
                    let entry = (length as u16) << 8 | u16::from(symbol);
                    table.lookup[code << spare..(code + 1) << spare].fill(entry);
                }
                code += 1;
            }
            if !here.is_empty() {
                table.max_code[length as usize] = code as i32 - 1;
            }
            remaining = later;
            code <<= 1;
        }
        Ok(table)
    }

    /// Reads one symbol.
    #[inline]
    pub fn decode(&self, bits: &mut Bits) -> Result<u8, String> {
        bits.refill();
        let entry = self.lookup[bits.peek(LOOKUP_BITS)];
        if entry != 0 {
            bits.consume(u32::from(entry >> 8));
            return Ok(entry as u8);
        }
        let next = bits.peek(16) as i32;
        for length in LOOKUP_BITS + 1..=16 {
            let code = next >> (16 - length);
            if code <= self.max_code[length as usize] {
                bits.consume(length);
                let index = code + self.offset[length as usize];
                if let Some(&symbol) = usize::try_from(index).ok().and_then(|i| self.symbols.get(i))
                {
                    return Ok(symbol);
                }
            }
        }
        Err("the JPEG data is damaged: a code is not in its Huffman table".into())
    }
}
