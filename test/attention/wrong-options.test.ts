/** Tests options that attention rejects, and unusual ones that it accepts. */
import assert from 'node:assert/strict';
import {
  attention,
  attentionDetails,
  attentionDetailsSync,
  attentionSync,
} from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { TypedArray } from '../../lib/tensor/types.js';
import { expectSameBits } from '../support/compare.js';
import { describeRefusals, goodInputs, type Refusal, zeros } from '../support/refusals.js';

const resizable = () => {
  const buffer = Reflect.construct(ArrayBuffer, [4 * 360, { maxByteLength: 8 * 360 }]) as ArrayBuffer;
  return new Tensor(new Float32Array(buffer), [2, 4, 9, 5]);
};

/** Masks of 13 keys, whose fourth element is neither 0 nor 1. */
const integerMasks: readonly [type: string, data: TypedArray, received: string][] = [
  ...[2, -1, -(2 ** 31), 65536].map((wrong): [string, TypedArray, string] => [
    'int32',
    Int32Array.from({ length: 13 }, (_, i) => (i === 3 ? wrong : i % 2)),
    `${wrong}`,
  ]),
  ...[2n, -1n, 2n ** 32n, 2n ** 32n + 1n, -(2n ** 63n)].map((wrong): [string, TypedArray, string] => [
    'int64',
    BigInt64Array.from({ length: 13 }, (_, i) => (i === 3 ? wrong : BigInt(i % 2))),
    `${wrong}`,
  ]),
  ['uint8', Uint8Array.from({ length: 13 }, (_, i) => (i === 3 ? 255 : i % 2)), '255'],
];

const options: readonly Refusal[] = [
  ['null', { options: null }, 'HEED_INVALID_ARGUMENT', /options to be an object, received null/],
  ['a number', { options: 1 }, 'HEED_INVALID_ARGUMENT', /options to be an object, received 1/],
  ['an array', { options: [] }, 'HEED_INVALID_ARGUMENT', /options to be an object, received an array/],
  ['a misspelt option', { casual: true }, 'HEED_UNKNOWN_OPTION', /'casual'; did you mean 'causal'\?/],
  ['another spelling', { kv_lengths: [1, 1] }, 'HEED_UNKNOWN_OPTION', /did you mean 'kvLengths'\?/],
  ['an option from nowhere', { dropout: 0.1 }, 'HEED_UNKNOWN_OPTION', /'dropout' \(known: .*causal.*\)/],
  [
    'a layout',
    { layout: 'sbhd' },
    'HEED_INVALID_ARGUMENT',
    /options\.layout to be 'bhsd' or 'bshd', received 'sbhd'/,
  ],
  [
    'a scale that is no number',
    { scale: '1' },
    'HEED_INVALID_ARGUMENT',
    /options\.scale to be a finite number.*received '1'/,
  ],
  ['a scale of NaN', { scale: Number.NaN }, 'HEED_INVALID_ARGUMENT', /options\.scale.*NaN/],
  [
    'an infinite scale',
    { scale: Number.NEGATIVE_INFINITY },
    'HEED_INVALID_ARGUMENT',
    /options\.scale.*-Infinity/,
  ],
  ['a scale beyond float32', { scale: 1e39 }, 'HEED_INVALID_ARGUMENT', /range of float32, received 1e\+39/],
  ['an unknown score', { score: 'euclidean' }, 'HEED_INVALID_ARGUMENT', /options\.score to be 'scaled-dot'/],
  ['a score of null', { score: null }, 'HEED_INVALID_ARGUMENT', /options\.score.*null/],
  ['a score without a type', { score: {} }, 'HEED_INVALID_ARGUMENT', /options\.score\.type to be 'general'/],
  [
    'a score of weight alone',
    { score: { type: 'general' } },
    'HEED_INVALID_ARGUMENT',
    /score\.weight to be a tensor/,
  ],
  [
    'a part of another score',
    { score: { type: 'general', weight: zeros(5, 5), vector: zeros(5) } },
    'HEED_UNKNOWN_OPTION',
    /type 'general' to have only weight, received 'vector'/,
  ],
  [
    'a misspelt part of a score',
    { score: { type: 'general', wieght: zeros(5, 5) } },
    'HEED_UNKNOWN_OPTION',
    /did you mean 'weight'/,
  ],
  [
    'a general weight that does not fit',
    { score: { type: 'general', weight: zeros(16, 6) } },
    'HEED_SHAPE_MISMATCH',
    /options\.score\.weight\.dims\[1\] to equal key\.dims\[3\] \(16\), received 6/,
  ],
  [
    'weights for other heads',
    { score: { type: 'general', weight: zeros(3, 5, 5) } },
    'HEED_SHAPE_MISMATCH',
    /options\.score\.weight\.dims\[0\] to equal query\.dims\[1\] \(4\), received 3/,
  ],
  [
    'a weight of four axes',
    { score: { type: 'general', weight: zeros(1, 1, 5, 5) } },
    'HEED_SHAPE_MISMATCH',
    /weight\.dims to be \[width, key width\], optionally with an axis of heads before them, received \[1, 1, 5, 5\]/,
  ],
  [
    'too few positions',
    { score: { type: 'location', weight: zeros(8, 16) } },
    'HEED_SHAPE_MISMATCH',
    /weight\.dims\[0\] to be at least key\.dims\[2\] \(13\), received 8/,
  ],
  ['a negative softcap', { softcap: -1 }, 'HEED_INVALID_ARGUMENT', /options\.softcap.*received -1/],
  ['a softcap of NaN', { softcap: Number.NaN }, 'HEED_INVALID_ARGUMENT', /options\.softcap/],
  [
    'a softcap that float32 takes for 0',
    { softcap: 1e-50 },
    'HEED_INVALID_ARGUMENT',
    /options\.softcap.*1e-50/,
  ],
  [
    'causal that is no boolean',
    { causal: 1 },
    'HEED_INVALID_ARGUMENT',
    /options\.causal to be true or false, received 1/,
  ],
  [
    'a window that is a number',
    { window: 4 },
    'HEED_INVALID_ARGUMENT',
    /options\.window to be an object, received 4/,
  ],
  [
    'a negative window',
    { window: { left: -1 } },
    'HEED_INVALID_ARGUMENT',
    /options\.window\.left to be a non-negative integer or Infinity, received -1/,
  ],
  ['half a window', { window: { right: 0.5 } }, 'HEED_INVALID_ARGUMENT', /options\.window\.right/],
  [
    'a misspelt window',
    { window: { lfet: 1 } },
    'HEED_UNKNOWN_OPTION',
    /options\.window.*'lfet'; did you mean 'left'/,
  ],
  ['half an offset', { queryOffset: 0.5 }, 'HEED_INVALID_ARGUMENT', /options\.queryOffset to be an integer/],
  ['an offset beyond reason', { queryOffset: 2 ** 40 }, 'HEED_INVALID_ARGUMENT', /options\.queryOffset/],
  [
    'too few offsets',
    { queryOffset: [1] },
    'HEED_SHAPE_MISMATCH',
    /options\.queryOffset to have one element per batch entry \(2\), received 1/,
  ],
  [
    'offsets that are no numbers',
    { queryOffset: [1, 'x'] },
    'HEED_INVALID_ARGUMENT',
    /options\.queryOffset\[1\].*'x'/,
  ],
  [
    'lengths that are a number',
    { kvLengths: 5 },
    'HEED_INVALID_ARGUMENT',
    /options\.kvLengths to be a list, received 5/,
  ],
  [
    'too many lengths',
    { kvLengths: [1, 2, 3] },
    'HEED_SHAPE_MISMATCH',
    /options\.kvLengths.*\(2\), received 3/,
  ],
  [
    'lengths past the keys',
    { kvLengths: [1, 14] },
    'HEED_INVALID_ARGUMENT',
    /options\.kvLengths\[1\] to be an integer from 0 to 13, received 14/,
  ],
  [
    'negative lengths',
    { kvLengths: Int32Array.of(-1, 3) },
    'HEED_INVALID_ARGUMENT',
    /options\.kvLengths\[0\].*received -1/,
  ],
  [
    'bigints past the keys',
    { kvLengths: BigInt64Array.of(1n, 14n) },
    'HEED_INVALID_ARGUMENT',
    /options\.kvLengths\[1\] to be an integer from 0 to 13, received 14n/,
  ],
  [
    'bigints that no number is equal to',
    { kvLengths: [1, -(2n ** 70n)] },
    'HEED_INVALID_ARGUMENT',
    /options\.kvLengths\[1\] to be an integer from 0 to 13, received a bigint beyond int64/,
  ],
  [
    'bigints that rounding would bring into range',
    { queryOffset: [0n, 2n ** 53n + 1n] },
    'HEED_INVALID_ARGUMENT',
    /options\.queryOffset\[1\].*received 9007199254740993n/,
  ],
  [
    'lengths in a tensor of another shape',
    { kvLengths: { type: 'int64', dims: [2, 1], data: BigInt64Array.of(1n, 1n) } },
    'HEED_SHAPE_MISMATCH',
    /options\.kvLengths\.dims to be \[2\], received \[2, 1\]/,
  ],
  [
    'lengths in a tensor of another size',
    { kvLengths: { type: 'int32', dims: [3], data: Int32Array.of(1, 1, 1) } },
    'HEED_SHAPE_MISMATCH',
    /options\.kvLengths to have one element per batch entry \(2\), received 3/,
  ],
  [
    'lengths that are floating-point numbers',
    { kvLengths: zeros(2) },
    'HEED_UNSUPPORTED_TYPE',
    /options\.kvLengths\.type to be 'int64', 'int32' or 'uint8', received 'float32'/,
  ],
  [
    'lengths in memory without a type',
    { kvLengths: new DataView(new ArrayBuffer(2)) },
    'HEED_TYPE_MISMATCH',
    /options\.kvLengths to be a list of numbers or a tensor, received a DataView/,
  ],
  [
    'an endless list',
    { kvLengths: { length: 2 ** 53 - 1 } },
    'HEED_SHAPE_MISMATCH',
    /options\.kvLengths to have at most/,
  ],
  [
    'slopes for other heads',
    { alibiSlopes: [1, 2] },
    'HEED_SHAPE_MISMATCH',
    /options\.alibiSlopes to have one element per query head \(4\), received 2/,
  ],
  [
    'slopes that are NaN',
    { alibiSlopes: [1, 2, 3, Number.NaN] },
    'HEED_INVALID_ARGUMENT',
    /options\.alibiSlopes\[3\].*NaN/,
  ],
  [
    'infinite sinks',
    { sinks: [1, 2, Number.POSITIVE_INFINITY, 4] },
    'HEED_INVALID_ARGUMENT',
    /options\.sinks\[2\]/,
  ],
  ['sinks beyond float32', { sinks: [1e39, 2, 3, 4] }, 'HEED_INVALID_ARGUMENT', /options\.sinks\[0\]/],
  ...['alibiSlopes', 'sinks'].flatMap((name): Refusal[] => [
    ...[Uint16Array, Int16Array, Uint8Array, Int8Array, Uint32Array, Int32Array].map(
      (Bits): Refusal => [
        `${name} in a ${Bits.name}`,
        { [name]: new Bits(4) },
        'HEED_TYPE_MISMATCH',
        new RegExp(
          `options\\.${name} to be a list of numbers or a tensor, received a ${Bits.name}, which does not say ` +
            "what type of number it holds; pass a tensor: \\{ type: 'bfloat16', dims: \\[4\\], data \\}",
        ),
      ],
    ),
    [`${name} in a Buffer`, { [name]: Buffer.alloc(4) }, 'HEED_TYPE_MISMATCH', /received a Uint8Array/],
    [
      `${name} in a BigInt64Array`,
      { [name]: new BigInt64Array(4) },
      'HEED_TYPE_MISMATCH',
      /received a BigInt64Array/,
    ],
    [
      `${name} in a BigUint64Array`,
      { [name]: new BigUint64Array(4) },
      'HEED_TYPE_MISMATCH',
      /received a BigUint64Array/,
    ],
    [
      `${name} in a DataView`,
      { [name]: new DataView(new ArrayBuffer(4)) },
      'HEED_TYPE_MISMATCH',
      /a DataView/,
    ],
    [
      `${name} in an ArrayBuffer`,
      { [name]: new ArrayBuffer(4) },
      'HEED_TYPE_MISMATCH',
      /received a buffer without a type/,
    ],
    [
      `${name} in a SharedArrayBuffer`,
      { [name]: new SharedArrayBuffer(4) },
      'HEED_TYPE_MISMATCH',
      /received a buffer without a type/,
    ],
    [
      `${name} that are bigints`,
      { [name]: [1n, 2n, 3n, 4n] },
      'HEED_INVALID_ARGUMENT',
      /\[0\].*received a bigint/,
    ],
    [
      `${name} in a tensor of integers`,
      { [name]: Tensor.zeros('int32', [4]) },
      'HEED_UNSUPPORTED_TYPE',
      /\.type to be 'float32', .*received 'int32'/,
    ],
    [
      `${name} in a tensor of other dims`,
      { [name]: zeros(1, 4) },
      'HEED_SHAPE_MISMATCH',
      /\.dims to be \[4\], received \[1, 4\]/,
    ],
    [
      `${name} in a tensor with the wrong array`,
      { [name]: { type: 'bfloat16', dims: [4], data: new Float32Array(4) } },
      'HEED_TYPE_MISMATCH',
      /\.data to be a Uint16Array for type bfloat16, received a Float32Array/,
    ],
    [
      `${name} in a tensor with an infinite number`,
      { [name]: { type: 'bfloat16', dims: [4], data: Uint16Array.of(0, 0, 0x7f80, 0) } },
      'HEED_INVALID_ARGUMENT',
      /\[2\] to be a finite number in the range of float32, received Infinity/,
    ],
    [
      `${name} in a float64 tensor beyond float32`,
      { [name]: { type: 'float64', dims: [4], data: Float64Array.of(0, 1e39, 0, 0) } },
      'HEED_INVALID_ARGUMENT',
      /\[1\] to be a finite number in the range of float32, received 1e\+39/,
    ],
  ]),
  ['a mask that is a list', { mask: [true] }, 'HEED_UNSUPPORTED_TYPE', /options\.mask\.type/],
  ['a null mask', { mask: null }, 'HEED_INVALID_ARGUMENT', /options\.mask to be a tensor, received null/],
  ...integerMasks.map(
    ([type, data, received]): Refusal => [
      `a mask of ${type} with another integer than 0 and 1`,
      { mask: { type, dims: [13], data } },
      'HEED_INVALID_ARGUMENT',
      new RegExp(
        `options\\.mask\\.data\\[3\\] to be 0 or 1, for a key that may be attended, received ${received}$`,
      ),
    ],
  ),
  [
    'a mask of unsigned integers that heed has no type for',
    { mask: { type: 'uint32', dims: [13], data: new Uint32Array(13) } },
    'HEED_UNSUPPORTED_TYPE',
    /options\.mask\.type to be 'float32', .*'uint8', 'int32' or 'int64', received 'uint32'/,
  ],
  [
    'a mask for other keys',
    { mask: zeros(9, 12) },
    'HEED_SHAPE_MISMATCH',
    /broadcast to \[batch, heads, queries, keys\] \[2, 4, 9, 13\], received \[9, 12\]/,
  ],
  ['a mask for other queries', { mask: zeros(8, 13) }, 'HEED_SHAPE_MISMATCH', /received \[8, 13\]/],
  ['a mask for key heads', { mask: zeros(2, 2, 9, 13) }, 'HEED_SHAPE_MISMATCH', /received \[2, 2, 9, 13\]/],
  ['a mask without keys', { mask: zeros(9, 0) }, 'HEED_SHAPE_MISMATCH', /received \[9, 0\]/],
  [
    'a mask of five axes',
    { mask: zeros(1, 1, 1, 9, 13) },
    'HEED_SHAPE_MISMATCH',
    /received \[1, 1, 1, 9, 13\]/,
  ],
  [
    'a backend that does not exist',
    { backend: 'gpu' },
    'HEED_INVALID_ARGUMENT',
    /options\.backend to be 'auto', 'cuda', 'cpu' or 'reference', received 'gpu'/,
  ],
  [
    'a signal that is none',
    { signal: { aborted: false } },
    'HEED_INVALID_ARGUMENT',
    /options\.signal to be an AbortSignal, received an object/,
  ],
  [
    'a getter that throws',
    {
      options: {
        get scale() {
          throw new Error('no');
        },
      },
    },
    'HEED_INVALID_ARGUMENT',
    /options\.scale to be readable/,
  ],
  [
    'out that is an array',
    { out: new Float32Array(360) },
    'HEED_INVALID_ARGUMENT',
    /options\.out to be a heed Tensor, received a Float32Array/,
  ],
  [
    'out that is like a tensor',
    { out: { type: 'float32', dims: [2, 4, 9, 5], data: new Float32Array(360) } },
    'HEED_INVALID_ARGUMENT',
    /options\.out to be a heed Tensor/,
  ],
  [
    'out that only pretends',
    { out: Object.create(Tensor.prototype) },
    'HEED_INVALID_ARGUMENT',
    /options\.out/,
  ],
  [
    'out of other dims',
    { out: zeros(2, 4, 9, 16) },
    'HEED_SHAPE_MISMATCH',
    /options\.out\.dims to be \[2, 4, 9, 5\], received \[2, 4, 9, 16\]/,
  ],
  [
    'out of another rank',
    { out: zeros(360) },
    'HEED_SHAPE_MISMATCH',
    /options\.out\.dims to be \[2, 4, 9, 5\], received \[360\]/,
  ],
  [
    'out of another type',
    { out: Tensor.zeros('float16', [2, 4, 9, 5]) },
    'HEED_TYPE_MISMATCH',
    /options\.out\.type to equal query\.type/,
  ],
  ['out in resizable memory', { out: resizable() }, 'HEED_RESIZABLE', /options\.out/],
];

const details: readonly Refusal[] = [
  ['no include', { include: undefined }, 'HEED_INVALID_ARGUMENT', /options\.include to be a list/],
  [
    'a name that is no detail',
    { include: ['weights', 'logits'] },
    'HEED_INVALID_ARGUMENT',
    /options\.include\[1\] to be 'logSumExp', .*received 'logits'/,
  ],
  ['rows that are a list', { rows: [1] }, 'HEED_INVALID_ARGUMENT', /options\.rows to be an object/],
  [
    'rows of something else',
    { rows: { head: [1] } },
    'HEED_UNKNOWN_OPTION',
    /options\.rows.*did you mean 'heads'/,
  ],
  [
    'heads that do not exist',
    { rows: { heads: [4] } },
    'HEED_INVALID_ARGUMENT',
    /options\.rows\.heads\[0\] to be an integer from 0 to 3, received 4/,
  ],
  [
    'queries that do not exist',
    { rows: { queries: [0, -1] } },
    'HEED_INVALID_ARGUMENT',
    /options\.rows\.queries\[1\] to be an integer from 0 to 8/,
  ],
  [
    'more rows than there are',
    { rows: { heads: [0, 1, 2, 3, 0] } },
    'HEED_SHAPE_MISMATCH',
    /options\.rows\.heads to have at most 4/,
  ],
];

describeRefusals('attention refuses options:', options, 'attention');
describeRefusals('attention details refuse options:', details, 'details');

describe('attention refuses', () => {
  it('by rejecting, where it promises', async () => {
    const { query, key, value } = goodInputs;
    const wrong = { casual: true } as AttentionOptions;
    await assert.rejects(attention(query, key, value, wrong), { code: 'HEED_UNKNOWN_OPTION' });
    await assert.rejects(attentionDetails(query, key, value, { ...wrong, include: [] }), {
      code: 'HEED_UNKNOWN_OPTION',
    });
  });

  it('weights that no memory could hold', () => {
    const long = { type: 'float32', dims: [1, 1, 2 ** 22, 1], data: new Float32Array(2 ** 22) } as const;
    assert.throws(() => attentionDetailsSync(long, long, long, { include: ['weights'] }), {
      code: 'HEED_OUT_OF_MEMORY',
    });
  });
});

describe('attention accepts', () => {
  it('options that are undefined', () => {
    const { query, key, value } = goodInputs;
    const undefinedOptions = { mask: undefined, scale: undefined, out: undefined, signal: undefined };
    const run = (given: object) => attentionSync(query, key, value, { backend: 'reference', ...given });
    expectSameBits(run(undefinedOptions), run({}));
  });

  it('options that are inherited', () => {
    const { query, key, value } = goodInputs;
    const given: AttentionOptions = Object.create({ backend: 'reference', causal: true });
    const expected = attentionSync(query, key, value, { backend: 'reference', causal: true });
    expectSameBits(attentionSync(query, key, value, given), expected);
  });
});
