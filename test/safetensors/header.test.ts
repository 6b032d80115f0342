import assert from 'node:assert/strict';
import { HeedError } from '../../lib/errors.js';
import { type Header, parseHeader, parseHeaderLength } from '../../lib/safetensors/header.js';
import { Random } from '../support/random.js';
import { entry, fileBytes } from './file-bytes.js';

const rounds = 20_000;

describe('safetensors headers', () => {
  it('are refused when mutated, or read as they stand', () => {
    const random = new Random('safetensors headers');
    const header = JSON.stringify({
      __metadata__: { a: 'b' },
      w: entry('F32', [2, 3], [0, 24]),
      b: entry('BF16', [3], [24, 30]),
      m: entry('BOOL', [], [30, 31]),
    });
    const original = fileBytes(header, new Uint8Array(31));
    let accepted = 0;
    for (let round = 0; round < rounds; round++) {
      const bytes = mutate(original, header.length, random);
      const parsed = parseOrRefuse(bytes);
      if (parsed === undefined) continue;
      accepted++;
      checkPromises(parsed, bytes);
    }
    // About 246 of 20,000 are accepted, with a standard deviation of 16.
    assert.ok(accepted > rounds / 200 && accepted < rounds / 2, `${accepted} of ${rounds} accepted`);
  });
});

function parseOrRefuse(bytes: Buffer): Header | undefined {
  try {
    const length = parseHeaderLength(bytes.subarray(0, 8), bytes.length, 'a file');
    return parseHeader(bytes.subarray(8, 8 + length), bytes.length - 8 - length, 'a file');
  } catch (error) {
    assert.ok(error instanceof HeedError, `${error}`);
    assert.equal(error.code, 'HEED_MALFORMED_FILE', error.message);
    assert.match(error.message, /^Malformed file a file: expected /);
    return undefined;
  }
}

/** Changes, deletes, repeats or inserts some bytes of the header, and usually keeps its length valid. */
function mutate(original: Buffer, headerLength: number, random: Random): Buffer {
  let header = original.subarray(8, 8 + headerLength);
  for (let change = random.integer(1, 3); change > 0; change--) {
    const at = random.integer(0, header.length - 1);
    const end = Math.min(header.length, at + random.integer(1, 12));
    const before = header.subarray(0, at);
    header = random.pick([
      () => Buffer.concat([before, Buffer.from([random.integer(0, 255)]), header.subarray(at + 1)]),
      () =>
        Buffer.concat([
          before,
          Buffer.from(random.pick([...'0123456789 -.eE"[]{},:'])),
          header.subarray(at + 1),
        ]),
      () => Buffer.concat([before, header.subarray(end)]),
      () => Buffer.concat([before, header.subarray(at, end), header.subarray(at)]),
      () =>
        Buffer.concat([before, Buffer.from(random.pick([' ', '0', '1', '"w"', '24'])), header.subarray(at)]),
    ])();
  }
  const length = random.chance(0.9) ? header.length : random.integer(0, 2 * header.length);
  const bytes = fileBytes('', Buffer.concat([header, original.subarray(8 + headerLength)]), BigInt(length));
  return random.chance(0.9) ? bytes : bytes.subarray(0, random.integer(0, bytes.length));
}

/** The names of all types but one contain their number of bits. */
function bitsOf(dtype: string): number {
  return dtype === 'BOOL' ? 8 : Number(/\d+/.exec(dtype)?.[0]);
}

/** Checks every guarantee of the format for an accepted file, from the bytes alone. */
function checkPromises(parsed: Header, bytes: Buffer): void {
  const dataStart = 8 + Number(bytes.readBigUInt64LE());
  const { __metadata__: metadata = {}, ...tensors } = JSON.parse(bytes.subarray(8, dataStart).toString());
  assert.deepEqual({ ...parsed.metadata }, metadata);
  assert.deepEqual(parsed.entries.map(({ name }) => name).sort(), Object.keys(tensors).sort());
  const covered = new Uint8Array(bytes.length - dataStart);
  for (const { name, dtype, dims, start, end } of parsed.entries) {
    assert.deepEqual(tensors[name].dtype, dtype);
    assert.deepEqual(tensors[name].shape, dims);
    assert.deepEqual(tensors[name].data_offsets, [start, end]);
    assert.equal(
      dims.reduce((product, length) => product * length, bitsOf(dtype) / 8),
      end - start,
    );
    for (let i = start; i < end; i++) covered[i]++;
  }
  assert.ok(
    covered.every((count) => count === 1),
    'every byte belongs to one tensor',
  );
}
