/**
 * The instructions of a kernel, as far as counting takes it. NVIDIA documents no encoding; this one was found
 * in what nvcc writes for sm_80 to sm_120, and test/scripts/check-cuda.test.ts holds kernels against it.
 *
 * An instruction has 16 bytes. Its low 12 bits say what it does: nine of them which operation, three where
 * its operands come from (a register, an immediate, constant memory). The bits above 105 are the compiler's
 * notes for the scheduler.
 */
const instructionBytes = 16;

/** Operations, whatever their operands. */
const operations = new Map([
  [0x03c, 'HMMA'],
  [0x03b, 'LDSM'],
  [0x1ae, 'LDGSTS'],
  [0x1af, 'LDGDEPBAR'],
  [0x11a, 'DEPBAR'],
  [0x11d, 'BAR'],
  [0x108, 'MUFU'],
  [0x181, 'LDG'],
  [0x180, 'LD'],
  [0x184, 'LDS'],
  [0x188, 'STS'],
  [0x183, 'LDL'],
  [0x187, 'STL'],
  [0x189, 'SHFL'],
  [0x147, 'BRA'],
  [0x144, 'CALL'],
  [0x14d, 'EXIT'],
  [0x150, 'RET'],
  [0x020, 'FMUL'],
  [0x021, 'FADD'],
  [0x023, 'FFMA'],
  [0x009, 'FMNMX'],
  [0x008, 'FSEL'],
  [0x00b, 'FSETP'],
  [0x03e, 'F2FP'],
  [0x024, 'IMAD'],
  [0x025, 'IMAD'],
  [0x027, 'IMAD'],
]);

const exponential = 2; // the function of MUFU

/** The bits from `first` up to `end` of an instruction. */
const bits = (word, first, end) => Number((word >> BigInt(first)) & ((1n << BigInt(end - first)) - 1n));

/**
 * @param {Buffer} code
 * @param {number} architecture
 * @returns {Instruction[]}
 *
 * @typedef {object} Instruction
 * @property {string} name `EX2` for an exponential, and `other` for what nothing here counts
 * @property {number} stall cycles before the same warp's next instruction, as the compiler has chosen them
 * @property {number} pending how many groups of copies may be under way behind a DEPBAR
 * @property {number} sets the flag that says that its result is there, 7 for none
 * @property {number} frees the flag that says that its operands were read, 7 for none
 * @property {number} waits the flags that it waits for, a bit for each
 * @property {boolean} always whether it is executed whatever a predicate says
 * @property {boolean} never whether it only takes its place
 * @property {number | undefined} target the index of the instruction that a branch or a call leads to
 */
export function decode(code, architecture) {
  if (code.length % instructionBytes !== 0)
    throw new Error(`Expected whole instructions, received ${code.length} bytes`);
  return Array.from({ length: code.length / instructionBytes }, (_, index) => {
    const at = index * instructionBytes;
    const word = code.readBigUInt64LE(at) | (code.readBigUInt64LE(at + 8) << 64n);
    const operation = operations.get(bits(word, 0, 9)) ?? 'other';
    const name = operation === 'MUFU' && bits(word, 74, 78) === exponential ? 'EX2' : operation;
    const guard = bits(word, 12, 16);
    const branches = name === 'BRA' || name === 'CALL';
    return {
      name,
      stall: bits(word, 105, 109),
      pending: bits(word, 38, 44),
      sets: bits(word, 110, 113),
      frees: bits(word, 113, 116),
      waits: bits(word, 116, 122),
      always: guard === 7 && !(branches && hasCondition(word)),
      never: guard === 15,
      target: branches ? index + 1 + offsetOf(word, architecture) : undefined,
    };
  });
}

/** Whether a branch has another condition than its predicate: a second one, or one of the whole warp. */
function hasCondition(word) {
  const always = 7;
  const ofWarp = bits(word, 0, 12) === 0x547 || bits(word, 24, 34) !== 0;
  return ofWarp || bits(word, 87, 91) !== always;
}

/** How far a branch leads from the instruction behind it. */
function offsetOf(word, architecture) {
  const upper = BigInt.asIntN(48, (word >> 34n) & ((1n << 48n) - 1n));
  const offset = architecture < 90 ? upper : (upper << 8n) | ((word >> 16n) & 0xffn);
  return Number(offset) / 4;
}
