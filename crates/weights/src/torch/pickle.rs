//! A restricted unpickler. It knows the opcodes that `torch.save` uses and builds plain data; the
//! only "calls" it performs are the handful in [`Global`], each of which only rearranges its
//! arguments. Any other global is an error that names it. Source: `pickletools` and
//! `torch._weights_only_unpickler`.
//!
//! Objects live in one flat arena and refer to each other by position, so shared and cyclic
//! structures cost nothing to hold and nothing to drop. Each opcode adds at most one object, hence
//! memory is bounded by the length of the pickle.

use std::collections::HashMap;
use std::path::Path;

use crate::cursor::Cursor;
use crate::{DType, Error, Result};

/// More dimensions than any tensor has.
const MAX_DIMS: usize = 16;

/// Position of an object in the arena.
pub(super) type Id = usize;

/// The objects of a pickle.
pub(super) struct Objects<'a> {
    arena: Vec<Object<'a>>,
    pub root: Id,
}

impl<'a> Objects<'a> {
    pub(super) fn get(&self, id: Id) -> &Object<'a> {
        self.arena.get(id).unwrap_or(&Object::Opaque)
    }

    pub(super) fn len(&self) -> usize {
        self.arena.len()
    }
}

pub(super) enum Object<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// Something that no tensor depends on: bytes, a set, an integer beyond 64 bits.
    Opaque,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(View<'a>),
}

/// The globals that may appear.
#[derive(Clone, Copy)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Device,
    /// A typed storage class, or a dtype.
    Number(DType),
    /// `torch.storage.UntypedStorage`: bytes.
    Untyped,
    /// A class or dtype that this crate cannot read; an error only where a tensor uses it.
    Unreadable(&'static str),
}

/// A run of numbers that tensors are views of.
#[derive(Clone, Copy)]
pub(super) struct Storage<'a> {
    /// The name of its zip entry, below `data/`.
    pub key: &'a str,
    /// `Err` holds the name of an unsupported type.
    pub dtype: std::result::Result<DType, &'static str>,
    /// In elements; for an untyped storage in bytes.
    pub len: u64,
}

/// A tensor: a strided window on a storage, in elements.
#[derive(Clone)]
pub(super) struct View<'a> {
    pub storage: Storage<'a>,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub strides: Vec<u64>,
}

pub(super) fn read<'a>(path: &'a Path, bytes: &'a [u8]) -> Result<Objects<'a>> {
    let mut machine = Machine {
        path,
        input: Cursor::new(path, bytes),
        arena: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    while machine.step()? {}
    let root = machine.pop()?;
    Ok(Objects { arena: machine.arena, root })
}

struct Machine<'a> {
    path: &'a Path,
    input: Cursor<'a>,
    arena: Vec<Object<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// Executes one opcode; false after STOP.
    fn step(&mut self) -> Result<bool> {
        const WHAT: &str = "pickle";
        match self.input.u8(WHAT)? {
            b'.' => return Ok(false),
            // PROTO, FRAME: nothing here depends on them.
            0x80 => {
                self.input.take(1, WHAT)?;
            }
            0x95 => {
                self.input.take(8, WHAT)?;
            }

            b'N' => self.push(Object::None),
            0x88 => self.push(Object::Bool(true)),
            0x89 => self.push(Object::Bool(false)),
            b'J' => {
                let n = i32::from_le_bytes(self.input.array(WHAT)?);
                self.push(Object::Int(n.into()));
            }
            b'K' => {
                let n = self.input.u8(WHAT)?;
                self.push(Object::Int(n.into()));
            }
            b'M' => {
                let n = self.input.u16(WHAT)?;
                self.push(Object::Int(n.into()));
            }
            0x8a => {
                let len = self.input.u8(WHAT)?;
                let digits = self.input.take(len.into(), WHAT)?;
                self.push(long(digits));
            }
            b'G' => {
                let x = f64::from_be_bytes(self.input.array(WHAT)?);
                self.push(Object::Float(x));
            }
            // SHORT_BINSTRING, SHORT_BINUNICODE, BINUNICODE
            b'U' | 0x8c => {
                let len = self.input.u8(WHAT)?;
                self.text(len.into())?;
            }
            b'X' => {
                let len = self.input.u32(WHAT)?;
                self.text(len.into())?;
            }
            // SHORT_BINBYTES, BINBYTES
            b'C' => {
                let len = self.input.u8(WHAT)?;
                self.opaque(len.into())?;
            }
            b'B' => {
                let len = self.input.u32(WHAT)?;
                self.opaque(len.into())?;
            }

            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            0x8f => self.push(Object::Opaque),
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let items = self.pop_mark()?;
                self.push(Object::Tuple(items));
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            // ADDITEMS, to a set
            0x90 => {
                self.pop_mark()?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(items)?;
            }

            b'q' => {
                let slot = self.input.u8(WHAT)?;
                self.memoize(slot.into())?;
            }
            b'r' => {
                let slot = self.input.u32(WHAT)?;
                self.memoize(slot.into())?;
            }
            0x94 => self.memoize(self.memo.len() as u64)?,
            b'h' => {
                let slot = self.input.u8(WHAT)?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = self.input.u32(WHAT)?;
                self.recall(slot.into())?;
            }

            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.object(module), self.object(name)) {
                    (&Object::Text(module), &Object::Text(name)) => self.global(module, name)?,
                    _ => return Err(self.wrong("STACK_GLOBAL", "two strings")),
                }
            }
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            b'b' => {
                self.pop()?;
                // The attributes of an OrderedDict (module versions) describe no tensor.
                let target = self.top()?;
                if !matches!(self.object(target), Object::Dict(_)) {
                    return Err(self.wrong("BUILD", "a dictionary to be updated"));
                }
            }
            opcode => {
                return Err(self.malformed(
                    "opcode",
                    "one that torch.save uses",
                    format!("{opcode:#04x}"),
                ));
            }
        }
        Ok(true)
    }

    fn object(&self, id: Id) -> &Object<'a> {
        self.arena.get(id).unwrap_or(&Object::Opaque)
    }

    fn push(&mut self, object: Object<'a>) {
        self.stack.push(self.arena.len());
        self.arena.push(object);
    }

    /// Pops an object pushed since the last mark.
    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack
            .get(floor..)
            .and_then(|s| s.last().copied())
            .ok_or_else(|| self.malformed("stack", "an object", "nothing".into()))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(self.malformed("stack", "a mark", "none".into())),
        }
    }

    fn tuple(&mut self, len: usize) -> Result<()> {
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Object::Tuple(items));
        Ok(())
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        let target = self.top()?;
        match self.arena.get_mut(target) {
            Some(Object::List(list)) => list.extend(items),
            _ => return Err(self.wrong("APPEND", "a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Id>) -> Result<()> {
        let target = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(self.wrong("SETITEMS", "keys and values in pairs"));
        };
        match self.arena.get_mut(target) {
            Some(Object::Dict(dict)) => dict.extend(pairs.iter().map(|&[k, v]| (k, v))),
            _ => return Err(self.wrong("SETITEMS", "a dictionary")),
        }
        Ok(())
    }

    fn memoize(&mut self, slot: u64) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u64) -> Result<()> {
        let Some(&id) = self.memo.get(&slot) else {
            return Err(self.malformed("memo", "an object", format!("nothing in slot {slot}")));
        };
        self.stack.push(id);
        Ok(())
    }

    fn text(&mut self, len: u64) -> Result<()> {
        let text = self.input.text(len, u64::MAX, "string in the pickle")?;
        self.push(Object::Text(text));
        Ok(())
    }

    fn opaque(&mut self, len: u64) -> Result<()> {
        self.input.take(len, "bytes in the pickle")?;
        self.push(Object::Opaque);
        Ok(())
    }

    /// The text up to the next newline, as GLOBAL has it.
    fn line(&mut self) -> Result<&'a str> {
        const WHAT: &str = "name of a global in the pickle";
        let len = self.input.rest().iter().position(|&b| b == b'\n');
        let len = len.unwrap_or(self.input.left()) as u64;
        let line = self.input.text(len, 256, WHAT)?;
        self.input.take(1, WHAT)?;
        Ok(line)
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let global = match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
                Global::RebuildTensor
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Global::RebuildParameter
            }
            ("torch", "Size") => Global::Size,
            ("torch", "device") => Global::Device,
            ("torch.storage", "UntypedStorage") => Global::Untyped,
            ("torch" | "torch.cuda", name) => {
                number(name).ok_or_else(|| self.refuse(module, name))?
            }
            _ => return Err(self.refuse(module, name)),
        };
        self.push(Object::Global(global));
        Ok(())
    }

    fn refuse(&self, module: &str, name: &str) -> Error {
        Error::ForbiddenGlobal { path: self.path.into(), global: format!("{module}.{name}") }
    }

    /// BINPERSID: `("storage", class, key, location, length)`.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let Object::Tuple(parts) = self.object(id) else {
            return Err(self.wrong("BINPERSID", "the description of a storage"));
        };
        let &[kind, class, key, _location, len] = parts.as_slice() else {
            return Err(self.wrong("BINPERSID", "five parts"));
        };
        let storage = match (self.object(kind), self.object(class), self.object(key)) {
            (Object::Text("storage"), Object::Global(class), &Object::Text(key)) => {
                let dtype = match *class {
                    Global::Number(dtype) => Ok(dtype),
                    Global::Untyped => Ok(DType::U8),
                    Global::Unreadable(name) => Err(name),
                    _ => return Err(self.wrong("BINPERSID", "a storage class")),
                };
                Storage { key, dtype, len: self.count(len)? }
            }
            _ => return Err(self.wrong("BINPERSID", "the description of a storage")),
        };
        self.push(Object::Storage(storage));
        Ok(())
    }

    fn reduce(&mut self) -> Result<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Object::Tuple(arguments) = self.object(arguments) else {
            return Err(self.wrong("REDUCE", "a tuple of arguments"));
        };
        let &Object::Global(callee) = self.object(callee) else {
            return Err(self.wrong("REDUCE", "a global"));
        };
        match (callee, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Object::Dict(Vec::new())),
            (Global::RebuildTensor, &[storage, offset, shape, strides, ref rest @ ..]) => {
                let view = self.view(storage, offset, shape, strides, rest.get(2).copied())?;
                self.push(Object::Tensor(view));
            }
            // The data itself; whether it wants gradients is for the trainer to say.
            (Global::RebuildParameter, &[data, _, _, ..]) => self.stack.push(data),
            (Global::Size, &[dims]) => self.stack.push(dims),
            (Global::Device, &[kind, ..]) => self.stack.push(kind),
            _ => return Err(self.wrong("REDUCE", "a call that builds a tensor")),
        }
        Ok(())
    }

    /// The window that `_rebuild_tensor*` describes. Only version 3 has a dtype, as seventh
    /// argument, where version 2 has optional metadata.
    fn view(
        &self,
        storage: Id,
        offset: Id,
        shape: Id,
        strides: Id,
        dtype: Option<Id>,
    ) -> Result<View<'a>> {
        let &Object::Storage(mut storage) = self.object(storage) else {
            return Err(self.wrong("tensor", "a storage"));
        };
        let dtype = match dtype.map(|id| self.object(id)) {
            Some(&Object::Global(Global::Number(dtype))) => Some(Ok(dtype)),
            Some(&Object::Global(Global::Unreadable(name))) => Some(Err(name)),
            _ => None,
        };
        if let Some(dtype) = dtype {
            storage.len /= dtype.map_or(1, DType::block_bytes) as u64;
            storage.dtype = dtype;
        }
        let (offset, shape, strides) =
            (self.count(offset)?, self.dims(shape)?, self.dims(strides)?);
        if shape.len() != strides.len() {
            return Err(self.wrong("tensor", "as many strides as dimensions"));
        }
        Ok(View { storage, offset, shape, strides })
    }

    fn dims(&self, id: Id) -> Result<Vec<u64>> {
        match self.object(id) {
            Object::Tuple(dims) if dims.len() <= MAX_DIMS => {
                dims.iter().map(|&d| self.count(d)).collect()
            }
            _ => Err(self.wrong("tensor", &format!("a tuple of at most {MAX_DIMS} integers"))),
        }
    }

    fn count(&self, id: Id) -> Result<u64> {
        match *self.object(id) {
            Object::Int(n) if n >= 0 => Ok(n as u64),
            _ => Err(self.wrong("tensor", "a size that is not negative")),
        }
    }

    fn wrong(&self, what: &str, expected: &str) -> Error {
        self.malformed(what, expected, "something else".into())
    }

    fn malformed(&self, what: &str, expected: &str, found: String) -> Error {
        Error::Malformed {
            path: self.path.into(),
            what: format!("pickle, before byte {}, {what}", self.input.at()),
            expected: expected.into(),
            found,
        }
    }
}

/// A little-endian two's complement integer.
fn long<'a>(digits: &[u8]) -> Object<'a> {
    let negative = digits.last().is_some_and(|&b| b >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    match wide.get_mut(..digits.len()) {
        Some(low) => {
            low.copy_from_slice(digits);
            Object::Int(i64::from_le_bytes(wide))
        }
        None => Object::Opaque,
    }
}

/// Storage classes and dtypes of the module `torch`.
fn number(name: &str) -> Option<Global> {
    Some(Global::Number(match name {
        "DoubleStorage" | "float64" => DType::F64,
        "FloatStorage" | "float32" => DType::F32,
        "HalfStorage" | "float16" => DType::F16,
        "BFloat16Storage" | "bfloat16" => DType::BF16,
        "LongStorage" | "int64" => DType::I64,
        "IntStorage" | "int32" => DType::I32,
        "ShortStorage" | "int16" => DType::I16,
        "CharStorage" | "int8" => DType::I8,
        "ByteStorage" | "uint8" => DType::U8,
        "BoolStorage" | "bool" => DType::Bool,
        "uint16" => DType::U16,
        "uint32" => DType::U32,
        "uint64" => DType::U64,
        "ComplexFloatStorage" | "complex64" => return Some(Global::Unreadable("complex64")),
        "ComplexDoubleStorage" | "complex128" => return Some(Global::Unreadable("complex128")),
        "float8_e4m3fn" => return Some(Global::Unreadable("float8_e4m3fn")),
        "float8_e5m2" => return Some(Global::Unreadable("float8_e5m2")),
        _ => return None,
    }))
}
