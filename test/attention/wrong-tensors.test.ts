/** Tests tensors that attention rejects, including objects that imitate tensors. */
import { describeRefusals, goodInputs, type Refusal, zeros } from '../support/refusals.js';

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
  data: goodInputs.query.data,
  ...change,
});
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const tensors: readonly Refusal[] = [
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
    { key: goodInputs.key.cast('float16') },
    'HEED_TYPE_MISMATCH',
    /key\.type to equal query\.type \('float32'\), received 'float16'/,
  ],
  ['another type of value', { value: goodInputs.value.cast('float64') }, 'HEED_TYPE_MISMATCH', /value\.type/],
  [
    'another array',
    { query: like({ data: new Float64Array(1152) }) },
    'HEED_TYPE_MISMATCH',
    /query\.data to be a Float32Array for type float32, received a Float64Array/,
  ],
  ['a list for an array', { query: like({ data: [1, 2] }) }, 'HEED_TYPE_MISMATCH', /received an array/],
  [
    'a proxy for an array',
    { query: like({ data: new Proxy(goodInputs.query.data, {}) }) },
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

describeRefusals('attention refuses tensors:', tensors);
