//! Scans: Huffman-coded coefficients, sequential (T.81 annex F.2) and progressive (annex G.2).

use super::{
    Decoder, ZIGZAG,
    bits::{Bits, Huffman},
    frame::{Coding, Component},
    idct::idct,
};

/// A component's part in a scan.
struct Member<'a> {
    component: &'a mut Component,
    coder: Coder<'a>,
}

/// What decodes one component's blocks.
struct Coder<'a> {
    dc: Option<&'a Huffman>,
    ac: Option<&'a Huffman>,
    prediction: i32,
}

/// Spectral selection and successive approximation.
#[derive(Clone, Copy)]
struct Band {
    first: usize,
    last: usize,
    /// Whether earlier scans gave higher bits of these coefficients.
    refine: bool,
    /// Position of the bit this scan gives.
    low: u32,
}

impl Decoder<'_> {
    /// Decodes the scan whose header is `segment` and whose data comes next.
    pub(super) fn read_scan(&mut self, segment: &[u8]) -> Result<(), String> {
        let short = || String::from("a JPEG scan header is cut short");
        let frame = self.frame.as_mut().ok_or("a JPEG scan comes before the frame header")?;
        let (&count, rest) = segment.split_first().ok_or_else(short)?;
        let (selectors, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(short)?;
        let &[first, last, approximation] = rest.first_chunk().ok_or_else(short)?;

        let progressive = frame.coding == Coding::Progressive;
        let band = if progressive {
            Band {
                first: usize::from(first),
                last: usize::from(last),
                refine: approximation >> 4 != 0,
                low: u32::from(approximation & 15),
            }
        } else {
            Band { first: 0, last: 63, refine: false, low: 0 }
        };
        let dc_only = band.first == 0 && band.last == 0;
        let ac_only = band.first > 0 && band.first <= band.last && band.last < 64 && count == 1;
        if progressive && !(dc_only || ac_only) || band.low > 13 {
            return Err("a progressive JPEG scan has an impossible coefficient range".into());
        }

        let mut members = Vec::new();
        for component in &mut frame.components {
            let Some(selector) = selectors.chunks_exact(2).find(|s| s[0] == component.id) else {
                continue;
            };
            if component.quantisation.is_none() {
                component.quantisation =
                    self.quantisation.get(component.quantisation_slot).copied().flatten();
                if component.quantisation.is_none() {
                    return Err("a JPEG component has no quantisation table".into());
                }
            }
            let table = |tables: &'_ [Option<Huffman>; 4], slot: u8| {
                tables.get(usize::from(slot)).is_some_and(Option::is_some)
            };
            let (dc_slot, ac_slot) = (selector[1] >> 4, selector[1] & 15);
            let needs_dc = band.first == 0 && !band.refine;
            let needs_ac = band.last > 0;
            if needs_dc && !table(&self.dc_tables, dc_slot)
                || needs_ac && !table(&self.ac_tables, ac_slot)
            {
                return Err(MISSING_TABLE.into());
            }
            let coder = Coder {
                dc: self.dc_tables.get(usize::from(dc_slot)).and_then(Option::as_ref),
                ac: self.ac_tables.get(usize::from(ac_slot)).and_then(Option::as_ref),
                prediction: 0,
            };
            members.push(Member { component, coder });
        }
        if members.is_empty() || members.len() != usize::from(count) {
            return Err("a JPEG scan names components that the frame does not have".into());
        }

        let mut run = Run {
            bits: Bits::new(self.bytes, self.position),
            band,
            progressive,
            end_of_band_run: 0,
        };
        let alone = members.len() == 1;
        let units = if alone { members[0].component.blocks() } else { frame.mcus };
        let mut until_restart = self.restart_interval;
        for y in 0..units.1 {
            for x in 0..units.0 {
                if self.restart_interval > 0 {
                    if until_restart == 0 {
                        run.bits.restart()?;
                        run.end_of_band_run = 0;
                        members.iter_mut().for_each(|member| member.coder.prediction = 0);
                        until_restart = self.restart_interval;
                    }
                    until_restart -= 1;
                }
                for member in &mut members {
                    if alone {
                        run.block(member, x, y)?;
                        continue;
                    }
                    let (h, v) = (member.component.h, member.component.v);
                    for by in v * y..v * (y + 1) {
                        for bx in h * x..h * (x + 1) {
                            run.block(member, bx, by)?;
                        }
                    }
                }
                if run.bits.overran() {
                    return Err("the file is truncated or damaged: the JPEG data ends before the \
                                picture is complete"
                        .into());
                }
            }
        }
        self.position = run.bits.position();
        Ok(())
    }
}

/// The running state of one scan.
struct Run<'a> {
    bits: Bits<'a>,
    band: Band,
    progressive: bool,
    /// Blocks that still have no coefficient of this band.
    end_of_band_run: u32,
}

impl Run<'_> {
    fn block(&mut self, member: &mut Member, x: usize, y: usize) -> Result<(), String> {
        let Member { component, coder } = member;
        if self.progressive {
            let at = y * component.stored_blocks.0 + x;
            let (blocks, _) = component.coefficients.as_chunks_mut::<64>();
            let block = &mut blocks[at];
            return match (self.band.first, self.band.refine) {
                (0, false) => self.dc_first(coder, block),
                (0, true) => {
                    block[0] |= (self.bits.take(1) << self.band.low) as i16;
                    Ok(())
                }
                (_, false) => self.ac_first(coder, block),
                (_, true) => self.ac_refine(coder, block),
            };
        }
        let mut block = [0; 64];
        self.dc_first(coder, &mut block)?;
        self.sequential_ac(coder, &mut block)?;
        let stride = component.stride();
        if let Some(table) = &component.quantisation {
            idct(&block, table, &mut component.samples[8 * (y * stride + x)..], stride);
        }
        Ok(())
    }

    fn dc_first(&mut self, coder: &mut Coder, block: &mut [i16; 64]) -> Result<(), String> {
        let length = coder.dc.ok_or(MISSING_TABLE)?.decode(&mut self.bits)?;
        if length > 15 {
            return Err("the JPEG data is damaged: a DC difference of more than 15 bits".into());
        }
        let difference = self.bits.take_signed(u32::from(length));
        coder.prediction = coder.prediction.wrapping_add(difference);
        block[0] = (coder.prediction << self.band.low) as i16;
        Ok(())
    }

    fn sequential_ac(&mut self, coder: &Coder, block: &mut [i16; 64]) -> Result<(), String> {
        let table = coder.ac.ok_or(MISSING_TABLE)?;
        let mut k = 1;
        while k < 64 {
            let symbol = table.decode(&mut self.bits)?;
            let (run, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if length == 0 {
                if run != 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            *ZIGZAG.get(k).map(|&at| &mut block[at]).ok_or(PAST_END)? =
                self.bits.take_signed(length) as i16;
            k += 1;
        }
        Ok(())
    }

    fn ac_first(&mut self, coder: &Coder, block: &mut [i16; 64]) -> Result<(), String> {
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            return Ok(());
        }
        let table = coder.ac.ok_or(MISSING_TABLE)?;
        let mut k = self.band.first;
        while k <= self.band.last {
            let symbol = table.decode(&mut self.bits)?;
            let (run, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if length == 0 {
                if run < 15 {
                    self.end_of_band_run = self.read_run(run as u32) - 1;
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            *ZIGZAG.get(k).map(|&at| &mut block[at]).ok_or(PAST_END)? =
                (self.bits.take_signed(length) << self.band.low) as i16;
            k += 1;
        }
        Ok(())
    }

    fn ac_refine(&mut self, coder: &Coder, block: &mut [i16; 64]) -> Result<(), String> {
        let table = coder.ac.ok_or(MISSING_TABLE)?;
        let bit = 1i16 << self.band.low;
        let mut k = self.band.first;
        if self.end_of_band_run == 0 {
            while k <= self.band.last {
                let symbol = table.decode(&mut self.bits)?;
                let (mut run, length) = (symbol >> 4, symbol & 15);
                let mut new = 0;
                if length != 0 {
                    new = if self.bits.take(1) == 1 { bit } else { -bit };
                } else if run < 15 {
                    self.end_of_band_run = self.read_run(u32::from(run));
                    break;
                }
                // `run` counts only coefficients that are still zero; the others on the way
                // each take one correction bit.
                while k <= self.band.last {
                    let coefficient = &mut block[ZIGZAG[k]];
                    if *coefficient != 0 {
                        correct(coefficient, bit, &mut self.bits);
                    } else if run == 0 {
                        break;
                    } else {
                        run -= 1;
                    }
                    k += 1;
                }
                if new != 0 {
                    *ZIGZAG.get(k).map(|&at| &mut block[at]).ok_or(PAST_END)? = new;
                }
                k += 1;
            }
        }
        if self.end_of_band_run > 0 {
            while k <= self.band.last {
                let coefficient = &mut block[ZIGZAG[k]];
                if *coefficient != 0 {
                    correct(coefficient, bit, &mut self.bits);
                }
                k += 1;
            }
            self.end_of_band_run -= 1;
        }
        Ok(())
    }

    /// The length of an end-of-band run (T.81 G.1.2.2).
    fn read_run(&mut self, length: u32) -> u32 {
        (1 << length) + self.bits.take(length) as u32
    }
}

/// Adds the next bit of precision to a coefficient that is already non-zero.
fn correct(coefficient: &mut i16, bit: i16, bits: &mut Bits) {
    if bits.take(1) == 1 && *coefficient & bit == 0 {
        let step = if *coefficient >= 0 { bit } else { -bit };
        *coefficient = coefficient.wrapping_add(step);
    }
}

const MISSING_TABLE: &str = "a JPEG scan uses a Huffman table that is not defined";
const PAST_END: &str = "the JPEG data is damaged: a coefficient lies outside its block";
