//! What the engine's fuel does not reach, paid for before it is done.
//!
//! A list costs its slots, whatever they hold: `[a, a]`, forty times over, is small, but what prints
//! it walks 2⁴⁰ values. So is `[a] * 10**15`, which is repeated only as it is walked. Out of reach
//! from here are the engine's operators (`~`, `==`) and its own filters (`string`, `join`) on them:
//! those end with the patience of [`super::ChatTemplate`].

use minijinja::{
    Error, ErrorKind, State, Value,
    value::ValueKind::{Iterable, Map, Seq},
};
use minijinja_contrib::pycompat;

/// Deeper nesting comes from no sane conversation or tool schema, and recursion must end.
const MAX_DEPTH: usize = 64;
/// What one unit of fuel pays for.
const BYTES: usize = 64;

/// Pays for a walk through all that a value holds, as often as it holds it.
pub(super) fn walk(state: &State, value: &Value) -> Result<(), Error> {
    walk_at(state, value, 0)
}

fn walk_at(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(refuse("a value is nested too deeply"));
    }
    let length = value.as_str().map_or(0, str::len);
    state.consume_fuel(1 + (length / BYTES) as u64)?;
    let kind = value.kind();
    if matches!(kind, Seq | Iterable | Map) {
        for item in value.try_iter()?.checked() {
            let item = item?;
            walk_at(state, &item, depth + 1)?;
            if kind == Map {
                walk_at(state, &value.get_item(&item)?, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// Python's methods.
pub(super) fn method(
    state: &mut State,
    value: &Value,
    name: &str,
    args: &[Value],
) -> Result<Value, Error> {
    args.iter().try_for_each(|arg| walk(state, arg))?;
    match (value.as_str(), name, args) {
        // The engine's filters look at their budget as they go.
        (Some(_), "join", [items]) => {
            return state.apply_filter("join", &[items.clone(), value.clone()]);
        }
        (Some(_), "replace", [old, new, ..])
            if old.as_str().is_some() && new.as_str().is_some() =>
        {
            return state.apply_filter("replace", &[std::slice::from_ref(value), args].concat());
        }
        (Some(text), "format", _) => format(state, text, args)?,
        (Some(text), "split", _) => {
            let parts = match args.first().and_then(|separator| separator.as_str()) {
                Some(separator) => text.matches(separator).count(),
                None => text.split_whitespace().count(),
            };
            state.consume_fuel(parts as u64)?;
        }
        (Some(text), "splitlines", _) => state.consume_fuel(text.lines().count() as u64)?,
        (None, "count", [wanted]) if value.kind() == Seq => {
            (0..value.len().unwrap_or(usize::MAX)).try_for_each(|_| walk(state, wanted))?;
        }
        _ => {}
    }
    pycompat::unknown_method_callback(state, value, name, args)
}

/// Pays for each field of `str.format`: its width and precision, and the arguments, of which it
/// prints one.
fn format(state: &State, text: &str, args: &[Value]) -> Result<(), Error> {
    for field in text.split('}') {
        // Before it a field may have braces and digits of a key, and a brace to fill with.
        let sizes =
            field.rsplit(|c: char| !c.is_ascii_alphanumeric() && !",_.%".contains(c)).next();
        let runs = sizes.unwrap_or_default().split(|c: char| !c.is_ascii_digit());
        for run in runs.filter(|run| !run.is_empty()) {
            state.consume_fuel(run.parse().unwrap_or(u64::MAX))?;
        }
        args.iter().try_for_each(|arg| walk(state, arg))?;
    }
    Ok(())
}

pub(super) fn refuse(reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}
