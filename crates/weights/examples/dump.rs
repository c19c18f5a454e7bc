//! Lists the tensors of a weight file, or writes one of them as raw little-endian `f32`:
//! `dump PATH [TENSOR OUT]`.

use std::error::Error;
use std::path::Path;

use quintet_weights::Weights;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [path] => list(&Weights::open(Path::new(path))?),
        [path, tensor, out] => {
            let numbers = Weights::open(Path::new(path))?.f32(tensor)?;
            std::fs::write(out, numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
            Ok(())
        }
        _ => Err("usage: dump PATH [TENSOR OUT]".into()),
    }
}

fn list(weights: &Weights) -> Result<(), Box<dyn Error>> {
    for name in weights.names() {
        if let Some(info) = weights.info(name) {
            println!("{name}  {}  {:?}", info.dtype, info.shape);
        }
    }
    for (key, value) in weights.metadata() {
        match value.as_array() {
            Some(array) => println!("{key} = array of {}", array.len()),
            None => println!("{key} = {value:?}"),
        }
    }
    if let Some(tokenizer) = weights.gguf_tokenizer()? {
        println!("tokenizer: {} with {} tokens", tokenizer.model, tokenizer.tokens.len());
    }
    Ok(())
}
