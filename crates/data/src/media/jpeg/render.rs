//! From planes to RGB: chroma upsampling (libjpeg's `jdsample.c`) and colour conversion
//! (`jdcolor.c`; four-component pictures then as PIL converts CMYK to RGB).

use image::RgbImage;

use super::{
    frame::{Colors, Component, Frame},
    idct::idct,
};

/// Turns a completely read frame into pixels.
pub(super) fn render(mut frame: Frame, colors: Colors) -> Result<RgbImage, String> {
    for component in &mut frame.components {
        finish(component)?;
    }
    let mut image = RgbImage::new(frame.width as u32, frame.height as u32);
    let mut rows = vec![vec![0; frame.width + 8]; frame.components.len()];
    for (y, out) in image.chunks_exact_mut(3 * frame.width).enumerate() {
        for (component, row) in frame.components.iter().zip(&mut rows) {
            upsample(component, (frame.max_h / component.h, frame.max_v / component.v), y, row);
        }
        convert(colors, &rows, out);
    }
    Ok(image)
}

/// Transforms the coefficients that a progressive frame gathered.
fn finish(component: &mut Component) -> Result<(), String> {
    let table = component.quantisation.ok_or("the JPEG has no data for one of its components")?;
    if component.samples.is_empty() {
        let stride = component.stride();
        component.samples = vec![0; component.coefficients.len()];
        let (blocks, _) = component.coefficients.as_chunks::<64>();
        for (i, block) in blocks.iter().enumerate() {
            let (x, y) = (i % component.stored_blocks.0, i / component.stored_blocks.0);
            idct(block, &table, &mut component.samples[8 * (y * stride + x)..], stride);
        }
        component.coefficients = Vec::new();
    }
    Ok(())
}

/// Writes the component's samples for picture row `y` at full horizontal resolution.
fn upsample(component: &Component, scale: (usize, usize), y: usize, out: &mut [u8]) {
    let near = component.row(y / scale.1);
    let neighbour = || {
        let up = y.is_multiple_of(2);
        let row = y / 2;
        component.row(if up { row.saturating_sub(1) } else { (row + 1).min(component.height - 1) })
    };
    // libjpeg replicates chroma of one or two columns.
    match scale {
        (1, 1) => out[..near.len()].copy_from_slice(near),
        (2, 1) if near.len() > 2 => triangle_h2v1(near, out),
        (2, 2) if near.len() > 2 => triangle_h2v2(near, neighbour(), out),
        (1, 2) => {
            let bias = if y.is_multiple_of(2) { 1 } else { 2 };
            for (out, (&near, &far)) in out.iter_mut().zip(near.iter().zip(neighbour())) {
                *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
            }
        }
        (h, _) => {
            for (out, &sample) in out.chunks_exact_mut(h).zip(near) {
                out.fill(sample);
            }
        }
    }
}

/// Each output is 3/4 of the nearer sample and 1/4 of the farther one.
fn triangle_h2v1(row: &[u8], out: &mut [u8]) {
    let last = row.len() - 1;
    for (out, window) in out[2..].chunks_exact_mut(2).zip(row.windows(3)) {
        let [left, here, right] = [window[0], window[1], window[2]].map(u16::from);
        out[0] = ((3 * here + left + 1) >> 2) as u8;
        out[1] = ((3 * here + right + 2) >> 2) as u8;
    }
    out[0] = row[0];
    out[1] = ((3 * u16::from(row[0]) + u16::from(row[1]) + 2) >> 2) as u8;
    out[2 * last] = ((3 * u16::from(row[last]) + u16::from(row[last - 1]) + 1) >> 2) as u8;
    out[2 * last + 1] = row[last];
}

/// The same triangle in both directions, with one rounding.
fn triangle_h2v2(near: &[u8], far: &[u8], out: &mut [u8]) {
    let column = |i: usize| 3 * u16::from(near[i]) + u16::from(far[i]);
    let last = near.len() - 1;
    for (out, (near, far)) in out[2..].chunks_exact_mut(2).zip(near.windows(3).zip(far.windows(3)))
    {
        let sum = |i: usize| 3 * u16::from(near[i]) + u16::from(far[i]);
        let (left, here, right) = (sum(0), sum(1), sum(2));
        out[0] = ((3 * here + left + 8) >> 4) as u8;
        out[1] = ((3 * here + right + 7) >> 4) as u8;
    }
    out[0] = ((4 * column(0) + 8) >> 4) as u8;
    out[1] = ((3 * column(0) + column(1) + 7) >> 4) as u8;
    out[2 * last] = ((3 * column(last) + column(last - 1) + 8) >> 4) as u8;
    out[2 * last + 1] = ((4 * column(last) + 7) >> 4) as u8;
}

/// Converts one row of full-resolution components to RGB.
fn convert(colors: Colors, rows: &[Vec<u8>], out: &mut [u8]) {
    let (pixels, _) = out.as_chunks_mut::<3>();
    match (colors, rows) {
        (Colors::Rgb, [r, g, b, ..]) => {
            for (out, ((&r, &g), &b)) in pixels.iter_mut().zip(r.iter().zip(g).zip(b)) {
                *out = [r, g, b];
            }
        }
        (Colors::YCbCr, [y, cb, cr, ..]) => {
            for (out, ((&y, &cb), &cr)) in pixels.iter_mut().zip(y.iter().zip(cb).zip(cr)) {
                *out = ycc_to_rgb(y, cb, cr);
            }
        }
        (Colors::Cmyk, [c, m, y, k]) => {
            for (out, (((&c, &m), &y), &k)) in pixels.iter_mut().zip(c.iter().zip(m).zip(y).zip(k))
            {
                *out = inverted_cmyk_to_rgb([c, m, y], k);
            }
        }
        (Colors::Ycck, [y, cb, cr, k]) => {
            for (out, (((&y, &cb), &cr), &k)) in
                pixels.iter_mut().zip(y.iter().zip(cb).zip(cr).zip(k))
            {
                *out = inverted_cmyk_to_rgb(ycc_to_rgb(y, cb, cr).map(|v| 255 - v), k);
            }
        }
        (_, rows) => {
            for (out, &grey) in pixels.iter_mut().zip(rows.iter().flatten()) {
                *out = [grey; 3];
            }
        }
    }
}

/// JFIF's conversion in 16-bit fixed point.
#[inline(always)]
fn ycc_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let y = i32::from(y);
    let cb = i32::from(cb) - 128;
    let cr = i32::from(cr) - 128;
    let r = y + ((91881 * cr + HALF) >> 16);
    let g = y + ((-22554 * cb - 46802 * cr + HALF) >> 16);
    let b = y + ((116130 * cb + HALF) >> 16);
    [r, g, b].map(|v| v.clamp(0, 255) as u8)
}

/// Ink to light. JPEG stores ink amounts inverted (Adobe's convention, which PIL assumes for
/// every four-component file), so `k` is the lightness that black leaves.
#[inline(always)]
fn inverted_cmyk_to_rgb(inks: [u8; 3], k: u8) -> [u8; 3] {
    inks.map(|ink| {
        let product = (255 - u32::from(ink)) * u32::from(k) + 128;
        k - ((product + (product >> 8)) >> 8) as u8
    })
}
