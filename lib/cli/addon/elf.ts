/** The requirements of a file in the Executable and Linkable Format, which need not be loadable here. */

/** The numbers of processors (e_machine), by the name that Node.js has for them. */
const machines: Readonly<Record<string, number>> = {
  ia32: 3,
  ppc64: 21,
  s390x: 22,
  arm: 40,
  x64: 62,
  arm64: 183,
  riscv64: 243,
  loong64: 258,
};

export interface Elf {
  /** As `process.arch` has it, else the number. */
  readonly machine: string;
  /** The libraries that it needs. */
  readonly needed: readonly string[];
  /** The versions of libraries' symbols that it needs, such as GLIBC_2.34. */
  readonly versions: readonly string[];
  /** The names of its sections and symbols, each between two zeros. */
  readonly names: Buffer;
}

export class MalformedElf extends Error {}

const magic = Buffer.from('\x7fELF', 'latin1');
/** Bytes of the header, and of the entries of its two tables. */
const header = { length: 64, segment: 56, section: 64 } as const;
const [programLoad, programDynamic] = [1, 2];
const sectionStrings = 3;
const tag = { needed: 1, strings: 5, versions: 0x6ffffffe } as const;

/**
 * 64-bit and little-endian files, as on all machines that heed is built for; of other files only the machine.
 */
class Reader {
  constructor(readonly bytes: Buffer) {}

  u16(offset: number): number {
    return this.bytes.readUInt16LE(offset);
  }

  u32(offset: number): number {
    return this.bytes.readUInt32LE(offset);
  }

  u64(offset: number): number {
    return Number(this.bytes.readBigUInt64LE(offset));
  }

  text(offset: number): string {
    const end = this.bytes.indexOf(0, offset);
    return this.bytes.toString('latin1', offset, end < 0 ? undefined : end);
  }

  *table(offset: number, count: number, size: number): Generator<number> {
    for (let i = 0; i < count; i++) yield offset + i * size;
  }

  /** Records that contain the distance to the next one, 0 in the last. */
  *chain(offset: number, atNext: number): Generator<number> {
    for (let at = offset, next = -1; next !== 0; at += next) {
      yield at;
      next = this.u32(at + atNext);
    }
  }
}

export function isElf(bytes: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}

/** @throws MalformedElf if the file is truncated, or its header is wrong */
export function readElf(bytes: Buffer): Elf {
  try {
    return read(new Reader(bytes));
  } catch (error) {
    if (error instanceof RangeError) throw new MalformedElf('its content contradicts its header');
    throw error;
  }
}

function read(file: Reader): Elf {
  const bigEndian = file.bytes[5] === 2;
  const number = bigEndian ? file.bytes.readUInt16BE(18) : file.u16(18);
  const machine = Object.keys(machines).find((name) => machines[name] === number) ?? `machine ${number}`;
  if (bigEndian || file.bytes[4] !== 2) return { machine, needed: [], versions: [], names: Buffer.alloc(0) };
  if (file.bytes.length < header.length) throw new RangeError();
  if (file.u16(54) !== header.segment) throw new RangeError();
  const names = Buffer.concat(stringTables(file));
  const segments = [...file.table(file.u64(32), file.u16(56), header.segment)].map((at) => ({
    type: file.u32(at),
    offset: file.u64(at + 8),
    address: file.u64(at + 16),
    length: file.u64(at + 32),
  }));
  const place = (address: number): number => {
    const segment = segments.find(
      (each) => each.type === programLoad && address >= each.address && address < each.address + each.length,
    );
    if (segment === undefined) throw new RangeError();
    return address - segment.address + segment.offset;
  };
  const dynamic = segments.find(({ type }) => type === programDynamic);
  if (dynamic === undefined) return { machine, needed: [], versions: [], names };
  const entries: { readonly tag: number; readonly value: number }[] = [];
  for (const at of file.table(dynamic.offset, dynamic.length / 16, 16))
    entries.push({ tag: file.u64(at), value: file.u64(at + 8) });
  const valueAt = (wanted: number) => entries.find((entry) => entry.tag === wanted)?.value;
  const strings = place(valueAt(tag.strings) ?? -1);
  const needed = entries
    .filter((entry) => entry.tag === tag.needed)
    .map(({ value }) => file.text(strings + value));
  const versions: string[] = [];
  const firstNeed = valueAt(tag.versions);
  for (const need of firstNeed === undefined ? [] : file.chain(place(firstNeed), 12)) {
    for (const version of file.chain(need + file.u32(need + 8), 12))
      versions.push(file.text(strings + file.u32(version + 8)));
  }
  return { machine, needed, versions, names };
}

function stringTables(file: Reader): Buffer[] {
  const tables: Buffer[] = [];
  const [start, count] = [file.u64(40), file.u16(60)];
  if (count === 0) return tables;
  // The table is the last part of most files, and so the part that a truncated file lacks.
  if (file.u16(58) !== header.section || start + count * header.section > file.bytes.length)
    throw new RangeError();
  for (const at of file.table(start, count, header.section)) {
    const [offset, length] = [file.u64(at + 24), file.u64(at + 32)];
    if (file.u32(at + 4) !== sectionStrings) continue;
    if (offset + length > file.bytes.length) throw new RangeError();
    tables.push(file.bytes.subarray(offset, offset + length));
  }
  return tables;
}
