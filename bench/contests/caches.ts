/**
 * Decoding over a cache whose entries were forked from one prefix, and over the same keys and values in
 * separate entries.
 */
import { attention, KeyValueCache, Tensor } from '../../lib/index.js';
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

/** The query and the further steps of each entry, and the shared prefix. */
function draw({ entries, heads, keyHeads, width, prefix, own }: ForkedShape, random: Random) {
  const tensor = (...dims: number[]) =>
    new Tensor(random.floats(dims.reduce((product, length) => product * length, 1)), dims);
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

function decoding(query: Tensor, cache: KeyValueCache): Contestant {
  const out = Tensor.zeros('float32', query.dims);
  return {
    run: () => attention(query, cache, { out }),
    result: () => out.data as Float32Array,
    dispose: () => cache.dispose(),
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
    heed: decoding(drawn.query, forked()),
    opponent: async (peer) => (peer === 'heed without sharing' ? decoding(drawn.query, apart()) : undefined),
  };
}
