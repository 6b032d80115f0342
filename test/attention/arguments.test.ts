/** What wrong arguments get: a HeedError that says what was expected, before any work starts. */
import assert from 'node:assert/strict';
import { attention, attentionSync } from '../../lib/attention.js';
import { attentionDetails, attentionDetailsSync } from '../../lib/attention-details.js';
import type { AttentionOptions } from '../../lib/attention-options.js';
import { HeedError } from '../../lib/errors.js';
import { Tensor } from '../../lib/tensor.js';
import { randomInputs } from '../support/attention.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';

type Replacement = Record<string, unknown>;
type Case = readonly [title: string, change: Replacement, code: string, message: RegExp];

const zeros = (...dims: number[]) => Tensor.zeros('float32', dims);
const inputs = randomInputs(new Random('arguments'), { keyHeads: 2, valueWidth: 5 });

/** What plain JavaScript may call, where TypeScript would not let it. */
type Untyped = (...args: readonly unknown[]) => unknown;

/** Calls with some arguments replaced: query, key and value by name, anything else is an option. */
function call(change: Replacement, details: boolean): () => unknown {
  const { query, key, value, ...others } = { ...inputs, ...change };
  const options = { backend: 'reference', ...(details && { include: [] }), ...others };
  const run = (details ? attentionDetailsSync : attentionSync) as Untyped;
  return () => run(query, key, value, 'options' in change ? change.options : options);
}

const detached = () => {
  const data = new Float32Array(2 * 4 * 9 * 16);
  const tensor = { type: 'float32', dims: [2, 4, 9, 16], data };
  structuredClone(data.buffer, { transfer: [data.buffer] });
  return tensor;
};
const disposed = zeros(2, 4, 9, 16);
disposed.dispose();
const like = (change: object) => ({
  type: 'float32',
  dims: [2, 4, 9, 16],
  data: inputs.query.data,
  ...change,
});
const resizable = () => {
  const buffer = Reflect.construct(ArrayBuffer, [4 * 360, { maxByteLength: 8 * 360 }]) as ArrayBuffer;
  return new Tensor(new Float32Array(buffer), [2, 4, 9, 5]);
};
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const tensors: readonly Case[] = [
  ['no query', { query: undefined }, 'HEED_INVALID_ARGUMENT', /query to be a tensor, received undefined/],
  ['null', { key: null }, 'HEED_INVALID_ARGUMENT', /key to be a tensor, received null/],
  ['a number', { value: 3 }, 'HEED_INVALID_ARGUMENT', /value to be a tensor, received 3/],
  [
    'a typed array',
    { query: new Float32Array(4) },
    'HEED_UNSUPPORTED_TYPE',
    /query\.type.*received undefined/,
  ],
  [
    'an unknown type',
    { query: like({ type: 'float8' }) },
    'HEED_UNSUPPORTED_TYPE',
    /query\.type to be 'float32', .* or 'int64', received 'float8'/,
  ],
  [
    'integers',
    { query: { type: 'int32', dims: [1], data: new Int32Array(1) } },
    'HEED_UNSUPPORTED_TYPE',
    /query\.type to be 'float32', 'float16', 'bfloat16' or 'float64', received 'int32'/,
  ],
  [
    'another type of key',
    { key: inputs.key.cast('float16') },
    'HEED_TYPE_MISMATCH',
    /key\.type to equal query\.type \('float32'\), received 'float16'/,
  ],
  ['another type of value', { value: inputs.value.cast('float64') }, 'HEED_TYPE_MISMATCH', /value\.type/],
  [
    'another array',
    { query: like({ data: new Float64Array(1152) }) },
    'HEED_TYPE_MISMATCH',
    /query\.data to be a Float32Array for type float32, received a Float64Array/,
  ],
  ['a list for an array', { query: like({ data: [1, 2] }) }, 'HEED_TYPE_MISMATCH', /received an array/],
  [
    'a proxy for an array',
    { query: like({ data: new Proxy(inputs.query.data, {}) }) },
    'HEED_TYPE_MISMATCH',
    /received an object/,
  ],
  [
    'an array of another length',
    { query: like({ data: new Float32Array(1151) }) },
    'HEED_SHAPE_MISMATCH',
    /query\.data to have as many elements as the product of dims \(1152\), received 1151/,
  ],
  ['detached memory', { query: detached() }, 'HEED_DETACHED', /query\.data/],
  ['a disposed tensor', { query: disposed }, 'HEED_DISPOSED', /disposed/],
  [
    'elements elsewhere',
    { query: like({ location: 'gpu-buffer' }) },
    'HEED_NOT_ON_CPU',
    /query.*'gpu-buffer'/,
  ],
  ['elements nowhere', { key: like({ location: 'none' }) }, 'HEED_NOT_ON_CPU', /key.*'none'/],
  [
    'NaN among dims',
    { query: like({ dims: [2, 4, 9, Number.NaN] }) },
    'HEED_INVALID_DIMS',
    /query\.dims\[3\].*NaN/,
  ],
  ['dims of 2^53', { query: like({ dims: [2 ** 53, 4, 9, 16] }) }, 'HEED_INVALID_DIMS', /query\.dims/],
  [
    'dims that multiply to too much',
    { query: like({ dims: [2 ** 20, 2 ** 20, 2 ** 20, 1] }) },
    'HEED_INVALID_DIMS',
    /less than 2\^53/,
  ],
  ['no dims', { query: like({ dims: undefined }) }, 'HEED_INVALID_DIMS', /query\.dims to be a list/],
  [
    'a getter that throws',
    {
      query: {
        get type() {
          throw new RangeError('no');
        },
      },
    },
    'HEED_INVALID_ARGUMENT',
    /query to be readable/,
  ],
  ['a revoked proxy', { query: revoked() }, 'HEED_INVALID_ARGUMENT', /query to be readable/],
];

const shapes: readonly Case[] = [
  [
    'three axes',
    { query: zeros(8, 9, 16) },
    'HEED_SHAPE_MISMATCH',
    /query\.dims to have 4 axes, \[batch, heads, steps, width\], received \[8, 9, 16\]/,
  ],
  [
    'three axes of bshd',
    { layout: 'bshd', query: zeros(8, 9, 16) },
    'HEED_SHAPE_MISMATCH',
    /\[batch, steps, heads, width\]/,
  ],
  [
    'another batch of keys',
    { key: zeros(3, 2, 13, 16) },
    'HEED_SHAPE_MISMATCH',
    /key\.dims\[0\] to equal query\.dims\[0\] \(2\), received 3/,
  ],
  [
    'another batch of values',
    { value: zeros(1, 2, 13, 5) },
    'HEED_SHAPE_MISMATCH',
    /value\.dims\[0\] to equal query\.dims\[0\] \(2\), received 1/,
  ],
  [
    'another width of keys',
    { key: zeros(2, 2, 13, 8) },
    'HEED_SHAPE_MISMATCH',
    /^Expected key\.dims\[3\] to equal query\.dims\[3\] \(16\), received 8$/,
  ],
  [
    'other heads of values',
    { value: zeros(2, 4, 13, 5) },
    'HEED_SHAPE_MISMATCH',
    /value\.dims\[1\] to equal key\.dims\[1\] \(2\), received 4/,
  ],
  [
    'other steps of values',
    { value: zeros(2, 2, 12, 5) },
    'HEED_SHAPE_MISMATCH',
    /value\.dims\[2\] to equal key\.dims\[2\] \(13\), received 12/,
  ],
  [
    'heads that do not divide',
    { key: zeros(2, 3, 13, 16), value: zeros(2, 3, 13, 5) },
    'HEED_SHAPE_MISMATCH',
    /query\.dims\[1\] to be a multiple of key\.dims\[1\] \(3\), received 4/,
  ],
  [
    'more key heads than heads',
    { key: zeros(2, 8, 13, 16), value: zeros(2, 8, 13, 5) },
    'HEED_SHAPE_MISMATCH',
    /multiple of key\.dims\[1\] \(8\)/,
  ],
  [
    'no key heads',
    { key: zeros(2, 0, 13, 16), value: zeros(2, 0, 13, 5) },
    'HEED_INVALID_DIMS',
    /key\.dims\[1\] to be at least 1/,
  ],
  ['no heads', { query: zeros(2, 0, 9, 16) }, 'HEED_SHAPE_MISMATCH', /query\.dims\[1\].*received 0/],
  [
    'width 0',
    { query: zeros(2, 4, 9, 0), key: zeros(2, 2, 13, 0) },
    'HEED_INVALID_DIMS',
    /query\.dims\[3\] to be from 1 to 512, received 0/,
  ],
  [
    'width 513',
    { query: zeros(2, 4, 9, 513), key: zeros(2, 2, 13, 513) },
    'HEED_INVALID_DIMS',
    /received 513/,
  ],
  [
    'value width 0',
    { value: zeros(2, 2, 13, 0) },
    'HEED_INVALID_DIMS',
    /value\.dims\[3\] to be from 1 to 512, received 0/,
  ],
  ['value width 513', { value: zeros(2, 2, 13, 513) }, 'HEED_INVALID_DIMS', /value\.dims\[3\]/],
];

const options: readonly Case[] = [
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
    /options\.kvLengths to be a list of numbers, received 5/,
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
    'lengths as bigints',
    { kvLengths: BigInt64Array.of(1n, 1n) },
    'HEED_INVALID_ARGUMENT',
    /options\.kvLengths\[0\].*a bigint/,
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
  ['a mask that is a list', { mask: [true] }, 'HEED_UNSUPPORTED_TYPE', /options\.mask\.type/],
  ['a null mask', { mask: null }, 'HEED_INVALID_ARGUMENT', /options\.mask to be a tensor, received null/],
  [
    'a mask of integers',
    { mask: Tensor.zeros('int32', [13]) },
    'HEED_UNSUPPORTED_TYPE',
    /options\.mask\.type to be 'bool' or a floating-point type, received 'int32'/,
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
    /options\.backend to be 'auto', 'cpu' or 'reference', received 'gpu'/,
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

const details: readonly Case[] = [
  ['no include', { include: undefined }, 'HEED_INVALID_ARGUMENT', /options\.include to be a list/],
  [
    'a name that is no detail',
    { include: ['weights', 'logits'] },
    'HEED_INVALID_ARGUMENT',
    /options\.include\[1\] to be one of logSumExp, .*received 'logits'/,
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

/** Heads before error: whatever is wrong, nothing may have been written to the output. */
function expectError(change: Replacement, code: string, message: RegExp, withDetails: boolean): void {
  const out = zeros(2, 4, 9, 5);
  const run = call('options' in change ? change : { out, ...change }, withDetails);
  assert.throws(run, (error) => {
    assert.ok(error instanceof HeedError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
  assert.ok(out.data.every((element: number | bigint) => element === 0));
}

describe('attention refuses', () => {
  for (const [title, change, code, message] of tensors) {
    it(`tensors: ${title}`, () => {
      expectError(change, code, message, false);
      expectError(change, code, message, true);
    });
  }
  for (const [title, change, code, message] of shapes) {
    it(`shapes: ${title}`, () => {
      expectError(change, code, message, false);
      expectError(change, code, message, true);
    });
  }
  for (const [title, change, code, message] of options) {
    it(`options: ${title}`, () => expectError(change, code, message, false));
  }
  for (const [title, change, code, message] of details) {
    it(`options of details: ${title}`, () => expectError(change, code, message, true));
  }

  it('by rejecting, where it promises', async () => {
    const { query, key, value } = inputs;
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
    const { query, key, value } = inputs;
    const undefinedOptions = { mask: undefined, scale: undefined, out: undefined, signal: undefined };
    const run = (given: object) => attentionSync(query, key, value, { backend: 'reference', ...given });
    expectSameBits(run(undefinedOptions), run({}));
  });

  it('options that are inherited', () => {
    const { query, key, value } = inputs;
    const given: AttentionOptions = Object.create({ backend: 'reference', causal: true });
    const expected = attentionSync(query, key, value, { backend: 'reference', causal: true });
    expectSameBits(attentionSync(query, key, value, given), expected);
  });
});
