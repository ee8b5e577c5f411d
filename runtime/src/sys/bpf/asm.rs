//! An assembler for programs of the kernel's BPF machine: registers, labels, and only the
//! instructions that the hook uses.
//!
//! An instruction is 8 bytes: opcode, two register numbers in one byte, a jump or memory offset, a
//! constant. Jumps count instructions from the one behind them; they name a [`Label`], which is
//! resolved by [`Program::finish`]. Registers r1 to r5 carry arguments into a helper and are lost by
//! the call, r0 has its result, r6 to r9 survive, [`Reg::Frame`] points behind 512 bytes of stack.

use std::os::fd::{AsRawFd, BorrowedFd};

/// A register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Reg {
    R0 = 0,
    R1 = 1,
    R2 = 2,
    R3 = 3,
    R4 = 4,
    R6 = 6,
    R7 = 7,
    R8 = 8,
    Frame = 10,
}

/// How much a load or store moves.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Width {
    U32 = 0x00,
    U64 = 0x18,
}

/// What a jump compares with a constant, as 64 bits without sign.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum If {
    Equal = 0x10,
    AtLeast = 0x30,
    NotEqual = 0x50,
}

/// Functions of the kernel's, by their numbers.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(super) enum Helper {
    MapLookup = 1,
    PidInNamespace = 120,
    RingBufferOutput = 130,
    CurrentTask = 158,
}

/// One instruction as the kernel reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Insn {
    opcode: u8,
    registers: u8,
    offset: i16,
    constant: i32,
}

// Classes, and what is added to them.
const LOAD_CONSTANT: u8 = 0x18;
const LOAD: u8 = 0x01 | MEMORY;
const STORE: u8 = 0x03 | MEMORY;
const MEMORY: u8 = 0x60;
const JUMP: u8 = 0x05;
const CALL: u8 = JUMP | 0x80;
const EXIT: u8 = JUMP | 0x90;
const ALU: u8 = 0x07;
const ADD: u8 = ALU;
const SHIFT_LEFT: u8 = ALU | 0x60;
const MOVE: u8 = ALU | 0xb0;
/// The second operand is a register, not the constant.
const BY_REGISTER: u8 = 0x08;

// What a 64-bit constant is, in the place of its source register.
const PLAIN: u8 = 0;
const MAP: u8 = 1;
const MAP_VALUE: u8 = 2;

/// A place in the program.
#[derive(Clone, Copy)]
pub(super) struct Label(usize);

/// A program that is being written.
#[derive(Default)]
pub(super) struct Program {
    code: Vec<Insn>,
    /// Where each label is, once it is bound.
    labels: Vec<Option<usize>>,
    /// Jumps and where they go.
    jumps: Vec<(usize, Label)>,
}

impl Program {
    /// A place that jumps may name before it is reached.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub(super) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.len());
    }

    pub(super) fn set(&mut self, to: Reg, constant: i32) {
        self.push(MOVE, to, Reg::R0, 0, constant);
    }

    pub(super) fn set_u64(&mut self, to: Reg, constant: u64) {
        self.push_wide(to, PLAIN, constant);
    }

    /// The map itself, as helpers take it.
    pub(super) fn set_map(&mut self, to: Reg, map: BorrowedFd<'_>) {
        self.push_wide(to, MAP, map.as_raw_fd() as u64);
    }

    /// The address of the first value of an array.
    pub(super) fn set_map_value(&mut self, to: Reg, map: BorrowedFd<'_>) {
        // The descriptor in the lower half; in the upper one an offset, which is 0.
        self.push_wide(to, MAP_VALUE, map.as_raw_fd() as u64);
    }

    pub(super) fn copy(&mut self, to: Reg, from: Reg) {
        self.push(MOVE | BY_REGISTER, to, from, 0, 0);
    }

    /// `to = base + offset`.
    pub(super) fn set_address(&mut self, to: Reg, base: Reg, offset: i32) {
        self.copy(to, base);
        self.push(ADD, to, Reg::R0, 0, offset);
    }

    pub(super) fn add(&mut self, to: Reg, from: Reg) {
        self.push(ADD | BY_REGISTER, to, from, 0, 0);
    }

    pub(super) fn shift_left(&mut self, to: Reg, bits: i32) {
        self.push(SHIFT_LEFT, to, Reg::R0, 0, bits);
    }

    pub(super) fn load(&mut self, width: Width, to: Reg, base: Reg, offset: i16) {
        self.push(LOAD | width as u8, to, base, offset, 0);
    }

    pub(super) fn store(&mut self, width: Width, base: Reg, offset: i16, from: Reg) {
        self.push(STORE | width as u8, base, from, offset, 0);
    }

    pub(super) fn jump_if(&mut self, condition: If, reg: Reg, constant: i32, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.push(JUMP | condition as u8, reg, Reg::R0, 0, constant);
    }

    pub(super) fn call(&mut self, helper: Helper) {
        self.push(CALL, Reg::R0, Reg::R0, 0, helper as i32);
    }

    pub(super) fn exit(&mut self) {
        self.push(EXIT, Reg::R0, Reg::R0, 0, 0);
    }

    /// The instructions, with all jumps resolved.
    ///
    /// # Panics
    ///
    /// If a jump names a label that was never bound.
    pub(super) fn finish(mut self) -> Vec<Insn> {
        for (at, label) in self.jumps {
            let target = self.labels[label.0].expect("a jump to a label that is bound nowhere");
            self.code[at].offset = (target as i64 - at as i64 - 1) as i16;
        }
        self.code
    }

    fn push(&mut self, opcode: u8, first: Reg, second: Reg, offset: i16, constant: i32) {
        self.code.push(Insn::new(opcode, first as u8, second as u8, offset, constant));
    }

    /// A constant of 64 bits takes two instructions.
    fn push_wide(&mut self, to: Reg, kind: u8, constant: u64) {
        self.code.push(Insn::new(LOAD_CONSTANT, to as u8, kind, 0, constant as i32));
        self.code.push(Insn::new(0, 0, 0, 0, (constant >> 32) as i32));
    }
}

impl Insn {
    fn new(opcode: u8, first: u8, second: u8, offset: i16, constant: i32) -> Self {
        // Two bit fields of C, which begin at the lower end on little-endian machines.
        let registers =
            if cfg!(target_endian = "little") { second << 4 | first } else { first << 4 | second };
        Self { opcode, registers, offset, constant }
    }
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    fn bytes(code: &[Insn]) -> Vec<u64> {
        let word = |insn: &Insn| {
            u64::from(insn.opcode)
                | u64::from(insn.registers) << 8
                | u64::from(insn.offset as u16) << 16
                | u64::from(insn.constant as u32) << 32
        };
        code.iter().map(word).collect()
    }

    /// The expected words are what the kernel's documentation of the instruction set gives.
    #[test]
    fn instructions() {
        let mut p = Program::default();
        let end = p.label();
        p.set(Reg::R0, -1);
        p.copy(Reg::R6, Reg::R1);
        p.load(Width::U32, Reg::R2, Reg::R6, 8);
        p.store(Width::U64, Reg::Frame, -8, Reg::R2);
        p.jump_if(If::NotEqual, Reg::R2, 7, end);
        p.set_u64(Reg::R3, 0x1_0000_0002);
        p.call(Helper::MapLookup);
        p.bind(end);
        p.exit();
        assert_eq!(
            bytes(&p.finish()),
            [
                0xffff_ffff_0000_00b7,
                0x0000_0000_0000_16bf,
                0x0000_0000_0008_6261,
                0x0000_0000_fff8_2a7b,
                // Over three instructions: the constant counts as two.
                0x0000_0007_0003_0255,
                0x0000_0002_0000_0318,
                0x0000_0001_0000_0000,
                0x0000_0001_0000_0085,
                0x0000_0000_0000_0095,
            ]
        );
    }

    #[test]
    #[should_panic = "bound nowhere"]
    fn jump_to_nowhere() {
        let mut p = Program::default();
        let nowhere = p.label();
        p.jump_if(If::Equal, Reg::R0, 0, nowhere);
        p.finish();
    }
}
