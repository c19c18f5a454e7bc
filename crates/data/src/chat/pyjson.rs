//! The `tojson` filter of `transformers`: Python's `json.dumps`, without HTML escapes.

use minijinja::{
    Error, State, Value,
    value::{Kwargs, ValueKind},
};

use super::budget::{refuse, walk};

/// `value | tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn tojson(state: &State, value: &Value, options: Kwargs) -> Result<Value, Error> {
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<Value> = options.get("separators")?;
    let sort: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let (item, key) = match separators.filter(|pair| !pair.is_none()) {
        Some(pair) => {
            walk(state, &pair)?;
            (pair.get_item_by_index(0)?.to_string(), pair.get_item_by_index(1)?.to_string())
        }
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
    };
    walk(state, value)?;
    let mut writer = Writer {
        out: Text::default(),
        ascii: ascii.unwrap_or(false),
        indent: indent.map(|n| n.min(MAX_INDENT)),
        sort: sort.unwrap_or(false),
        item,
        key,
    };
    writer.value(value, 0)?;
    Ok(Value::from_safe_string(writer.out.0))
}

/// More than any tool schema; escapes, indents and separators are not in the engine's budget.
const MAX_BYTES: usize = 16 << 20;
/// So that an untrusted `indent=10**9` allocates nothing.
const MAX_INDENT: usize = 16;

/// A text of [`MAX_BYTES`] at most.
#[derive(Default)]
struct Text(String);

impl Text {
    fn push(&mut self, text: &str) -> Result<(), Error> {
        if self.0.len() + text.len() > MAX_BYTES {
            return Err(refuse(format!("tojson: more than {MAX_BYTES} bytes")));
        }
        self.0.push_str(text);
        Ok(())
    }
}

struct Writer {
    out: Text,
    ascii: bool,
    indent: Option<usize>,
    sort: bool,
    item: String,
    key: String,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => self.out.push("null")?,
            ValueKind::Bool => self.out.push(if value.is_true() { "true" } else { "false" })?,
            ValueKind::Number => self.number(value)?,
            ValueKind::String => self.string(value.as_str().unwrap_or_default())?,
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.container("[", "]", items.len(), depth, |this, i| {
                    this.value(&items[i], depth + 1)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort {
                    keys.sort();
                }
                self.container("{", "}", keys.len(), depth, |this, i| {
                    match keys[i].as_str() {
                        Some(key) => this.string(key)?,
                        None => this.string(&keys[i].to_string())?,
                    }
                    this.out.push(&this.key)?;
                    this.value(&value.get_item(&keys[i])?, depth + 1)
                })?;
            }
            kind => return Err(refuse(format!("tojson: a value of kind {kind} is not JSON"))),
        }
        Ok(())
    }

    fn container(
        &mut self,
        open: &str,
        close: &str,
        len: usize,
        depth: usize,
        mut one: impl FnMut(&mut Self, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open)?;
        for i in 0..len {
            if i > 0 {
                self.out.push(&self.item)?;
            }
            self.line(depth + 1)?;
            one(self, i)?;
        }
        if len > 0 {
            self.line(depth)?;
        }
        self.out.push(close)
    }

    fn line(&mut self, depth: usize) -> Result<(), Error> {
        match self.indent {
            Some(indent) => self.out.push(&format!("\n{}", " ".repeat(indent * depth))),
            None => Ok(()),
        }
    }

    fn number(&mut self, value: &Value) -> Result<(), Error> {
        match f64::try_from(value.clone()) {
            Ok(number) if !value.is_integer() && number.is_finite() => {
                self.out.push(&python_float(number))
            }
            Ok(number) if !value.is_integer() => self.out.push(if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }),
            _ => self.out.push(&value.to_string()),
        }
    }

    fn string(&mut self, text: &str) -> Result<(), Error> {
        self.out.push("\"")?;
        for c in text.chars() {
            match c {
                '"' => self.out.push("\\\"")?,
                '\\' => self.out.push("\\\\")?,
                '\n' => self.out.push("\\n")?,
                '\r' => self.out.push("\\r")?,
                '\t' => self.out.push("\\t")?,
                '\u{8}' => self.out.push("\\b")?,
                '\u{c}' => self.out.push("\\f")?,
                c if c < ' ' || (self.ascii && c > '~') => {
                    let mut units = [0u16; 2];
                    for unit in c.encode_utf16(&mut units) {
                        self.out.push(&format!("\\u{unit:04x}"))?;
                    }
                }
                c => self.out.push(c.encode_utf8(&mut [0; 4]))?,
            }
        }
        self.out.push("\"")
    }
}

/// Python's `repr` of a finite float: the shortest digits, an exponent outside 1e-4 … 1e16.
fn python_float(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = format!("{number}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

#[cfg(test)]
mod tests {
    use super::python_float;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (123456.75, "123456.75"),
            (-2e300, "-2e+300"),
        ] {
            assert_eq!(python_float(number), text);
        }
    }
}
