/** Writes machine code and cubins for the tests of scripts/check-cuda, by what is known of their formats. */

/** The low 12 bits of instructions, with operands in registers. */
const opcodes = {
  HMMA: 0x23c,
  LDGSTS: 0xfae,
  LDGDEPBAR: 0x9af,
  BAR: 0xb1d,
  IADD3: 0x210,
  FFMA: 0x223,
  MUFU: 0x308,
  LDG: 0x981,
  LDS: 0x984,
  LDL: 0x983,
  STL: 0x387,
  BRA: 0x947,
  'BRA.U': 0x547,
  CALL: 0x944,
  EXIT: 0x94d,
} as const;

export interface Line {
  readonly name: keyof typeof opcodes;
  /** The predicate that it is executed for: 7 always, 15 never. */
  readonly guard?: number;
  readonly stall?: number;
  /** The label that it leads to. */
  readonly to?: string;
  readonly label?: string;
  /** The function of MUFU: 2 is 2^x, 4 is 1/x. */
  readonly function?: number;
}

const line = (name: Line['name']): Line => ({ name });
/** The same instruction several times. */
export const times = (count: number, name: Line['name']): Line[] =>
  Array.from({ length: count }, () => line(name));

export function assemble(lines: readonly Line[], architecture: number): Buffer {
  const labels = new Map(lines.flatMap(({ label }, i) => (label === undefined ? [] : [[label, i] as const])));
  const code = Buffer.alloc(lines.length * 16);
  for (const [i, { name, guard = 7, stall = 1, to, function: mufu = 2 }] of lines.entries()) {
    let word = BigInt(opcodes[name]) | (BigInt(guard) << 12n) | (BigInt(stall) << 105n);
    if (name === 'MUFU') word |= BigInt(mufu) << 74n;
    if (to !== undefined) {
      const target = labels.get(to);
      if (target === undefined) throw new Error(`There is no label ${to}`);
      const offset = BigInt(4 * (target - i - 1));
      word |= 7n << 87n;
      if (architecture < 90) word |= BigInt.asUintN(48, offset) << 34n;
      else word |= (BigInt.asUintN(48, offset >> 8n) << 34n) | (BigInt.asUintN(8, offset) << 16n);
    }
    code.writeBigUInt64LE(BigInt.asUintN(64, word), 16 * i);
    code.writeBigUInt64LE(word >> 64n, 16 * i + 8);
  }
  return code;
}

export function cubin(kernels: ReadonlyMap<string, Buffer>, architecture: number): Buffer {
  const names = ['', '.shstrtab', ...[...kernels.keys()].map((symbol) => `.text.${symbol}`)];
  const strings = Buffer.from(`${names.join('\0')}\0`);
  const contents = [Buffer.alloc(0), strings, ...kernels.values()];
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(190, 18);
  header.writeUInt32LE(architecture << 8, 48);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(contents.length, 60);
  header.writeUInt16LE(1, 62);
  let end = 64;
  const table = contents.map((bytes, i) => {
    const entry = Buffer.alloc(64);
    const before = names.slice(0, i);
    entry.writeUInt32LE(
      before.reduce((length, name) => length + name.length + 1, 0),
      0,
    );
    entry.writeBigUInt64LE(BigInt(end), 24);
    entry.writeBigUInt64LE(BigInt(bytes.length), 32);
    end += bytes.length;
    return entry;
  });
  header.writeBigUInt64LE(BigInt(end), 40);
  return Buffer.concat([header, ...contents, ...table]);
}
