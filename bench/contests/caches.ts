/** Decoding over caches: of another type, and of entries that were forked from one prefix. */
import { attention, KeyValueCache, Tensor } from '../../lib/index.js';
import { bytesBeyondCaches } from '../limits.js';
import type { Random } from '../random.js';
import type { Contest, Contestant } from '../row.js';

export interface ForkedShape {
  readonly entries: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly width: number;
  /** Steps that all entries share. */
  readonly prefix: number;
  /** Further steps of each entry. */
  readonly own: number;
}

const pageSize = 64;

function drawTensor(random: Random, ...dims: number[]): Tensor {
  return new Tensor(random.floats(dims.reduce((product, length) => product * length, 1)), dims);
}

/** The query and the further steps of each entry, and the shared prefix. */
function draw({ entries, heads, keyHeads, width, prefix, own }: ForkedShape, random: Random) {
  const tensor = (...dims: number[]) => drawTensor(random, ...dims);
  return {
    query: tensor(entries, heads, 1, width),
    prefix: [tensor(1, keyHeads, prefix, width), tensor(1, keyHeads, prefix, width)],
    own: [tensor(entries, keyHeads, own, width), tensor(entries, keyHeads, own, width)],
  } as const;
}

function repeated(tensor: Tensor, times: number): Tensor {
  const data = new Float32Array(times * tensor.size);
  for (let i = 0; i < times; i++) data.set(tensor.data as Float32Array, i * tensor.size);
  return new Tensor(data, [times, ...tensor.dims.slice(1)]);
}

/** Each turn over the next cache. */
function decoding(query: Tensor, caches: readonly KeyValueCache[]): Contestant {
  const [out, first] = [Tensor.zeros('float32', query.dims), Tensor.zeros('float32', query.dims)];
  return {
    run: (turn) => {
      const place = turn % caches.length;
      return attention(query, caches[place], { out: place === 0 ? first : out });
    },
    result: () => first.data as Float32Array,
    dispose: () => {
      for (const cache of caches) cache.dispose();
    },
  };
}

export interface StoredShape {
  readonly heads: number;
  readonly keyHeads: number;
  readonly keys: number;
  readonly width: number;
}

/** Of a key or value of an int8 cache, with its scale. */
export function int8Bytes({ keyHeads, keys, width }: StoredShape): number {
  return 2 * keyHeads * keys * (width + 4);
}

/** A cache of int8 against one of float32, each from memory. */
export function int8Contest(shape: StoredShape, random: Random): Contest {
  const { heads, keyHeads, keys, width } = shape;
  const query = drawTensor(random, 1, heads, 1, width);
  const steps = [
    drawTensor(random, 1, keyHeads, keys, width),
    drawTensor(random, 1, keyHeads, keys, width),
  ] as const;
  const over = (type: 'int8' | 'float32', bytes: number) => {
    const copies = Array.from({ length: Math.ceil(bytesBeyondCaches / bytes) }, () => {
      const cache = new KeyValueCache({ batch: 1, heads: keyHeads, width, capacity: keys, pageSize, type });
      cache.append(...steps);
      return cache;
    });
    return decoding(query, copies);
  };
  return {
    heed: over('int8', int8Bytes(shape)),
    opponent: async (peer) =>
      peer === 'heed float32' ? over('float32', 8 * keyHeads * keys * width) : undefined,
  };
}

export function forkedContest(shape: ForkedShape, random: Random): Contest {
  const { entries, keyHeads: heads, width, prefix, own } = shape;
  const drawn = draw(shape, random);
  const make = (batch: number) =>
    new KeyValueCache({ batch, heads, width, capacity: prefix + own, pageSize });
  const forked = () => {
    const one = make(1);
    one.append(...drawn.prefix);
    const cache = one.fork({ entries: new Array(entries).fill(0) });
    cache.append(...drawn.own);
    return cache;
  };
  const apart = () => {
    const cache = make(entries);
    cache.append(repeated(drawn.prefix[0], entries), repeated(drawn.prefix[1], entries));
    cache.append(...drawn.own);
    return cache;
  };
  return {
    heed: decoding(drawn.query, [forked()]),
    opponent: async (peer) =>
      peer === 'heed without sharing' ? decoding(drawn.query, [apart()]) : undefined,
  };
}
