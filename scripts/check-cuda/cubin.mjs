/** The machine code in a cubin, which is an ELF file with a section `.text.NAME` for each kernel. */

/**
 * Throws if the bytes are no cubin.
 *
 * @param {Buffer} bytes
 * @returns {{ architecture: number, kernels: { symbol: string, code: Buffer }[] }} 80 for sm_80
 */
export function readCubin(bytes) {
  const magic = '\x7fELF\x02\x01';
  const machine = 190; // EM_CUDA
  if (bytes.length < 64 || bytes.toString('latin1', 0, 6) !== magic || bytes.readUInt16LE(18) !== machine)
    throw new Error('Expected a cubin: an ELF file of 64 bits for CUDA');
  const table = Number(bytes.readBigUInt64LE(40));
  const [entryBytes, count, namesIndex] = [58, 60, 62].map((at) => bytes.readUInt16LE(at));
  const sections = Array.from({ length: count }, (_, i) => {
    const at = table + i * entryBytes;
    const [offset, size] = [24, 32].map((field) => Number(bytes.readBigUInt64LE(at + field)));
    return { name: bytes.readUInt32LE(at), contents: bytes.subarray(offset, offset + size) };
  });
  const names = sections[namesIndex].contents;
  const nameOf = ({ name }) => names.toString('latin1', name, names.indexOf(0, name));
  const prefix = '.text.';
  const kernels = sections
    .filter((section) => nameOf(section).startsWith(prefix))
    .map((section) => ({ symbol: nameOf(section).slice(prefix.length), code: section.contents }));
  return { architecture: (bytes.readUInt32LE(48) >> 8) & 0xff, kernels };
}
