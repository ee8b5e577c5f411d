//! The kernel's description of its own types, `/sys/kernel/btf/vmlinux`.
//!
//! A header, a table of types one after the other (type 1 first), a table of strings. A type is
//! three words (name, kind and number of parts, size or another type), then what its kind adds. Read
//! once when the hook is loaded, some milliseconds for 5 MB, and not kept.

use std::io;

const PATH: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u16 = 0xeb9f;

/// Kinds that are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum Kind {
    Int = 1,
    Pointer = 2,
    Struct = 4,
    Typedef = 8,
    FunctionProto = 13,
}

/// The tables.
pub(super) struct Btf {
    types: Vec<u32>,
    strings: Vec<u8>,
}

/// One type.
#[derive(Clone, Copy)]
pub(super) struct Type<'a> {
    pub(super) id: u32,
    kind: u32,
    name: u32,
    /// Offsets of members carry the width of bit fields.
    flagged: bool,
    size_or_type: u32,
    /// What the kind adds.
    parts: &'a [u32],
}

impl Btf {
    /// Of the running kernel.
    ///
    /// # Errors
    ///
    /// As from reading the file; `InvalidData` if it is something else.
    pub(super) fn of_kernel() -> io::Result<Btf> {
        Btf::parse(&std::fs::read(PATH)?).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn parse(file: &[u8]) -> Option<Btf> {
        let word = |at: usize| Some(u32::from_ne_bytes(file.get(at..at + 4)?.try_into().ok()?));
        let magic = u16::from_ne_bytes(file.get(..2)?.try_into().ok()?);
        if magic != MAGIC {
            return None;
        }
        let header = word(4)? as usize;
        let table = |offset: usize| -> Option<&[u8]> {
            let start = header.checked_add(word(offset)? as usize)?;
            file.get(start..start.checked_add(word(offset + 4)? as usize)?)
        };
        let types = table(8)?.chunks_exact(4);
        Some(Btf {
            types: types
                .map(|word| u32::from_ne_bytes(word.try_into().expect("4 bytes")))
                .collect(),
            strings: table(16)?.to_vec(),
        })
    }

    fn iter(&self) -> impl Iterator<Item = Type<'_>> {
        let mut rest = &self.types[..];
        (1..).map_while(move |id| {
            let &[name, info, size_or_type, ref tail @ ..] = rest else { return None };
            let (kind, count) = (info >> 24 & 0x1f, info as usize & 0xffff);
            let (parts, next) = tail.split_at_checked(extra_words(kind, count)?)?;
            rest = next;
            Some(Type { id, kind, name, flagged: info >> 31 != 0, size_or_type, parts })
        })
    }

    fn has_name(&self, offset: u32, name: &str) -> bool {
        let Some(string) = self.strings.get(offset as usize..) else { return false };
        string.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The type of this kind and name.
    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<Type<'_>> {
        self.iter().find(|t| t.kind == kind as u32 && self.has_name(t.name, name))
    }

    fn get(&self, id: u32, kind: Kind) -> Option<Type<'_>> {
        self.iter().find(|t| t.id == id).filter(|t| t.kind == kind as u32)
    }

    /// Where a member of a struct begins, in bytes.
    pub(super) fn offset_of(&self, name: &str, member: &str) -> Option<u32> {
        let found = self.find(Kind::Struct, name)?;
        let mut members = found.parts.chunks_exact(3);
        let bits = members.find(|part| self.has_name(part[0], member))?[2];
        Some(if found.flagged { bits & 0xff_ffff } else { bits } / 8)
    }

    /// Is the last parameter of a function type, behind a typedef and a pointer, an integer, and is it
    /// number `index`?
    pub(super) fn ends_with_integer(&self, typedef: Type<'_>, index: usize) -> bool {
        let proto = self
            .get(typedef.size_or_type, Kind::Pointer)
            .and_then(|pointer| self.get(pointer.size_or_type, Kind::FunctionProto));
        let parameter = proto
            .map(|proto| proto.parts)
            .filter(|parts| parts.len() == 2 * (index + 1))
            .and_then(|parts| self.get(parts[2 * index + 1], Kind::Int));
        parameter.is_some()
    }
}

/// Words behind the first three; `None` for a kind that is newer than this.
fn extra_words(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        // Pointer, forward, typedef, qualifiers, function, float, type tag.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, declaration tag.
        1 | 14 | 17 => 1,
        // Array.
        3 => 3,
        // Struct, union, data section, 64-bit enumeration.
        4 | 5 | 15 | 19 => 3 * count,
        // Enumeration, function prototype.
        6 | 13 => 2 * count,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A description with one pointer, one function type and its typedef, one struct.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0hook\0task\0state\0";
        let info = |kind: Kind, count: u32| (kind as u32) << 24 | count;
        let types = [
            // 1: an integer
            &[1, info(Kind::Int, 0), 4, 32][..],
            // 2: a function of a pointer and an integer
            &[0, info(Kind::FunctionProto, 2), 0, 0, 3, 0, 1],
            // 3: a pointer to it
            &[0, info(Kind::Pointer, 0), 2],
            // 4: its typedef
            &[5, info(Kind::Typedef, 0), 3],
            // 5: a struct that may have bit fields
            &[10, info(Kind::Struct, 1) | 1 << 31, 8, 15, 1, 8 << 24 | 32],
        ]
        .concat();
        let sizes = [24, 0, 4 * types.len() as u32, 4 * types.len() as u32, strings.len() as u32];
        let mut file = Vec::new();
        file.extend(MAGIC.to_ne_bytes());
        file.extend([1, 0]);
        sizes.iter().chain(&types).for_each(|word| file.extend(word.to_ne_bytes()));
        file.extend(strings);
        file
    }

    #[test]
    fn finds_types_and_members() {
        let btf = Btf::parse(&sample()).unwrap();
        assert_eq!(btf.iter().count(), 5);
        let typedef = btf.find(Kind::Typedef, "hook").unwrap();
        assert_eq!(typedef.id, 4);
        assert!(btf.ends_with_integer(typedef, 1));
        assert!(!btf.ends_with_integer(typedef, 0) && !btf.ends_with_integer(typedef, 2));
        assert_eq!(btf.offset_of("task", "state"), Some(4));
        assert_eq!(btf.offset_of("task", "stat"), None);
        assert!(btf.find(Kind::Struct, "hook").is_none());
    }

    #[test]
    fn other_files_are_refused() {
        let sample = sample();
        assert!(Btf::parse(b"").is_none() && Btf::parse(b"\x7fELF and more").is_none());
        for length in 0..sample.len() {
            if let Some(btf) = Btf::parse(&sample[..length]) {
                panic!("{length} of {} bytes give {} types", sample.len(), btf.iter().count());
            }
        }
    }

    #[test]
    fn of_this_kernel() {
        match Btf::of_kernel() {
            Ok(btf) => {
                assert!(btf.offset_of("task_struct", "thread_info").is_none_or(|at| at == 0));
                assert!(btf.offset_of("task_struct", "pid").is_some_and(|at| at > 0));
            }
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
}
