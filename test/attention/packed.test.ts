/** Tests consecutive sequences in one tensor. */
import assert from 'node:assert/strict';
import { attentionSync } from '../../lib/attention/attention.js';
import { type PackedAttentionOptions, packedAttention } from '../../lib/attention/packed.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { type Inputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle, type OracleOptions } from '../support/oracle.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';

const heads = 4;
const keyHeads = 2;
const width = 8;
const valueWidth = 6;

interface Packed extends Inputs {
  readonly queryStarts: readonly number[];
  readonly keyStarts: readonly number[];
}

function pack(
  random: Random,
  queryStarts: readonly number[],
  keyStarts = queryStarts,
  type: FloatType = 'float32',
) {
  const [queries, keys] = [queryStarts.at(-1) ?? 0, keyStarts.at(-1) ?? 0];
  return {
    queryStarts,
    keyStarts,
    query: random.tensor(type, [queries, heads, width]),
    key: random.tensor(type, [keys, keyHeads, width]),
    value: random.tensor(type, [keys, keyHeads, valueWidth]),
  };
}

/** Some consecutive tokens of a packed tensor as a batch of one, in layout bshd. */
function cut(tensor: Tensor, from: number, to: number): Tensor {
  const [, rows, length] = tensor.dims;
  const numbers = toNumbers(tensor).slice(from * rows * length, to * rows * length);
  return tensorOf(tensor.type as FloatType, [1, to - from, rows, length], (i) => numbers[i]);
}

/** One sequence's share of the options. */
function optionsOf(options: OracleOptions, entry: number): OracleOptions {
  const { queryOffset, ...rest } = options;
  const offset = typeof queryOffset === 'number' ? queryOffset : queryOffset?.[entry];
  return { ...rest, layout: 'bshd', ...(offset !== undefined && { queryOffset: offset }) };
}

function expected(packed: Packed, options: OracleOptions): number[] {
  return packed.queryStarts.slice(0, -1).flatMap((start, entry) => {
    const query = cut(packed.query, start, packed.queryStarts[entry + 1]);
    const [from, to] = [packed.keyStarts[entry], packed.keyStarts[entry + 1]];
    const [key, value] = [cut(packed.key, from, to), cut(packed.value, from, to)];
    return attentionOracle(query, key, value, optionsOf(options, entry)).output;
  });
}

eachBackend('packed attention', (backend) => {
  const random = new Random('packed attention');

  async function check(
    packed: Packed,
    options: Omit<OracleOptions, 'layout' | 'kvLengths'> = {},
  ): Promise<void> {
    const { query, key, value, queryStarts, keyStarts } = packed;
    const type = query.type as FloatType;
    const out = poisoned(type, [query.dims[0], heads, valueWidth]);
    const starts = { queryStarts, ...(keyStarts !== queryStarts && { keyStarts }) };
    const output = await packedAttention(query, key, value, {
      ...options,
      ...starts,
      backend,
      out: out.tensor,
    });
    assert.equal(output, out.tensor);
    out.expectMarginsIntact();
    expectClose(output, expected(packed, options), tolerances[type]);
  }

  for (const type of typesOf(backend)) {
    it(`attends within sequences of ${type}`, () => check(pack(random, [0, 5, 12, 13, 40], undefined, type)));
  }

  const self = pack(random, [0, 5, 12, 13, 40]);
  const cross = pack(random, [0, 4, 4, 10, 11], [0, 7, 20, 20, 150]);

  for (const [name, packed] of Object.entries({ self, cross })) {
    for (const [title, options] of Object.entries<Omit<OracleOptions, 'layout' | 'kvLengths'>>({
      plain: {},
      causal: { causal: true },
      window: { window: { left: 2, right: 1 } },
      offset: { causal: true, queryOffset: 1 },
      offsets: { causal: true, queryOffset: [0, 3, -2, 6] },
      scores: { scale: 0.7, softcap: 2, alibiSlopes: [0.5, 0.1, 0, -0.2], sinks: [1, 2, 0, -1] },
    })) {
      it(`takes the options of attention: ${title}, ${name}`, () => check(packed, options));
    }
  }

  it('counts the default offset within each sequence', async () => {
    const options = { backend, causal: true, queryStarts: cross.queryStarts, keyStarts: cross.keyStarts };
    const output = await packedAttention(cross.query, cross.key, cross.value, options);
    const queryOffset = cross.queryStarts
      .slice(0, -1)
      .map((start, i) => cross.keyStarts[i + 1] - cross.keyStarts[i] - (cross.queryStarts[i + 1] - start));
    expectSameBits(
      await packedAttention(cross.query, cross.key, cross.value, { ...options, queryOffset }),
      output,
    );
  });

  it('reads masks from the corner of [batch, heads, longest queries, longest keys]', async () => {
    const mask = random.mask([4, heads, 27, 27], 0.6);
    const options = { backend, mask, queryStarts: self.queryStarts };
    const output = await packedAttention(self.query, self.key, self.value, options);
    const whole = toNumbers(output);
    for (const [entry, start] of self.queryStarts.slice(0, -1).entries()) {
      const end = self.queryStarts[entry + 1];
      const steps = end - start;
      const own = tensorOf('float32', [1, heads, steps, steps], (i) => {
        const [j, row, h] = [i % steps, Math.floor(i / steps) % steps, Math.floor(i / steps ** 2)];
        return Number(mask.data[((entry * heads + h) * 27 + row) * 27 + j]);
      }).cast('bool');
      const [query, key, value] = [self.query, self.key, self.value].map((tensor) => cut(tensor, start, end));
      const wanted = attentionSync(query, key, value, { backend: 'reference', layout: 'bshd', mask: own });
      const part = whole.slice(start * heads * valueWidth, end * heads * valueWidth);
      expectClose(
        tensorOf('float32', [part.length], (i) => part[i]),
        toNumbers(wanted),
        tolerances.float32,
      );
    }
  });

  it('broadcasts masks', () => check(self, { mask: random.tensor('float32', [1, heads, 1, 1]) }));

  it('takes [sequences, longest keys] as a mask of two axes, unless it may be [queries, keys]', async () => {
    for (const type of ['bool', 'int64', 'float32'] as const) {
      const mask = random.mask([4, 27], 0.7).cast(type);
      const packedWith = (given: Tensor) =>
        packedAttention(self.query, self.key, self.value, {
          backend,
          mask: given,
          queryStarts: self.queryStarts,
        });
      expectSameBits(await packedWith(mask), await packedWith(mask.reshape([4, 1, 1, 27])));
    }
    const square = pack(random, [0, 4, 6, 7, 7]);
    await rejectsHeed(
      () =>
        packedAttention(square.query, square.key, square.value, {
          backend,
          mask: random.mask([4, 4], 0.7),
          queryStarts: square.queryStarts,
        }),
      'HEED_SHAPE_MISMATCH',
      'reshape it to [1, 1, 4, 4] or to [4, 1, 1, 4]',
    );
  });

  it('may be empty', async () => {
    await check(pack(random, [0]));
    await check(pack(random, [0, 0, 0]));
    await check(pack(random, [0, 3, 5], [0, 0, 0]));
    await check(pack(random, [0, 0, 0], [0, 3, 5]));
  });

  it('is cancelled by its signal', async () => {
    const reason = new Error('enough');
    const options = { backend, queryStarts: self.queryStarts, signal: AbortSignal.abort(reason) };
    await assert.rejects(packedAttention(self.query, self.key, self.value, options), reason);
  });
});

describe('packed attention', () => {
  const { query, key, value } = pack(new Random('packed arguments'), [0, 5, 12], [0, 4, 9]);
  const good = { queryStarts: [0, 5, 12], keyStarts: [0, 4, 9], backend: 'reference' } as const;
  const call = (options: object) =>
    packedAttention(query, key, value, { ...good, ...options } as PackedAttentionOptions);

  const rejects: readonly [title: string, options: object, code: string, message: RegExp][] = [
    ['starts that do not begin with 0', { queryStarts: [1, 5, 12] }, 'HEED_SHAPE_MISMATCH', /begin with 0/],
    [
      'starts that do not reach the end',
      { queryStarts: [0, 5, 11] },
      'HEED_SHAPE_MISMATCH',
      /end with query\.dims\[0\] \(12\), received 0 and 11/,
    ],
    [
      'starts past the end',
      { queryStarts: [0, 5, 13] },
      'HEED_INVALID_ARGUMENT',
      /queryStarts\[2\] to be an integer from 5 to 12/,
    ],
    [
      'starts that go back',
      { keyStarts: [0, 5, 4, 9] },
      'HEED_INVALID_ARGUMENT',
      /keyStarts\[2\] to be an integer from 5/,
    ],
    [
      'starts that are not integers',
      { queryStarts: [0, 5.5, 12] },
      'HEED_INVALID_ARGUMENT',
      /queryStarts\[1\]/,
    ],
    ['no starts', { queryStarts: undefined }, 'HEED_INVALID_ARGUMENT', /queryStarts to be a list/],
    ['an empty list of starts', { queryStarts: [] }, 'HEED_SHAPE_MISMATCH', /received no elements/],
    [
      'other numbers of sequences',
      { keyStarts: [0, 9] },
      'HEED_SHAPE_MISMATCH',
      /length of options\.keyStarts/,
    ],
    ['a layout', { layout: 'bhsd' }, 'HEED_UNKNOWN_OPTION', /'layout'/],
    ['kvLengths', { kvLengths: [4, 5] }, 'HEED_UNKNOWN_OPTION', /'kvLengths'/],
    [
      'keyStarts by another name',
      { keystarts: [0, 4, 9] },
      'HEED_UNKNOWN_OPTION',
      /did you mean 'keyStarts'/,
    ],
    [
      'a mask that does not fit',
      { mask: tensorOf('float32', [8, 5], () => 0) },
      'HEED_SHAPE_MISMATCH',
      /\[2, 4, 7, 5\]/,
    ],
  ];
  for (const [title, options, code, message] of rejects) {
    it(`rejects ${title}`, () => assert.rejects(call(options), { name: 'HeedError', code, message }));
  }

  it('needs keyStarts where there are other keys', async () => {
    const options = { queryStarts: [0, 5, 12], backend: 'reference' } as const;
    await assert.rejects(packedAttention(query, key, value, options), { code: 'HEED_SHAPE_MISMATCH' });
  });

  it('rejects tensors with four axes', async () => {
    await assert.rejects(packedAttention(query.reshape([1, 12, 4, 8]), key, value, good), {
      code: 'HEED_SHAPE_MISMATCH',
      message: /query\.dims to have 3 axes, \[tokens, heads, width\]/,
    });
  });
});
