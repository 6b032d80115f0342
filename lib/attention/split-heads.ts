/** Query, key and value as views of one product that has them side by side. */
import { checkData, plainView } from '../checks/data.js';
import { readOptions } from '../checks/options.js';
import { expectFloat, readTensor, type TensorArgument } from '../checks/tensor.js';
import { describeDims, integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { widestHead } from '../problem/problem.js';
import type { TensorLike, TypedArray } from '../tensor/types.js';

/** The options of {@link splitHeads}. */
export interface SplitHeadsOptions {
  /** Query heads. */
  heads: number;
  /** Key and value heads. Default: as many as heads. */
  keyValueHeads?: number;
  /** Elements of a query and of a key. Default: what the columns leave for each. */
  width?: number;
  /** Elements of a value. Default: as many as of a key. */
  valueWidth?: number;
}

/** Query, key and value, in the layout 'bshd', or packed where the product is. */
export interface SplitHeads {
  /** [batch, steps, heads, width], or [tokens, heads, width]; with strides. */
  query: TensorLike;
  /** [batch, steps, keyValueHeads, width], or [tokens, keyValueHeads, width]; with strides. */
  key: TensorLike;
  /** [batch, steps, keyValueHeads, valueWidth], or [tokens, keyValueHeads, valueWidth]; with strides. */
  value: TensorLike;
}

interface Widths {
  readonly heads: number;
  readonly keyHeads: number;
  readonly width: number;
  readonly valueWidth: number;
}

function readWidths(options: unknown, columns: number, axis: string): Widths {
  if (options === undefined) throw invalid('options', 'an object', options);
  const given = readOptions(options, ['heads', 'keyValueHeads', 'width', 'valueWidth']);
  const optional = (value: unknown, name: string) =>
    value === undefined ? undefined : integerBetween(value, `options.${name}`, 1, widestHead);
  const heads = integerBetween(given.heads, 'options.heads', 1, columns);
  const keyHeads =
    given.keyValueHeads === undefined
      ? heads
      : integerBetween(given.keyValueHeads, 'options.keyValueHeads', 1, heads);
  const [ownWidth, ownValueWidth] = [
    optional(given.width, 'width'),
    optional(given.valueWidth, 'valueWidth'),
  ];
  const width =
    ownWidth ??
    (ownValueWidth === undefined
      ? columns / (heads + 2 * keyHeads)
      : (columns - keyHeads * ownValueWidth) / (heads + keyHeads));
  const valueWidth = ownValueWidth ?? width;
  const wanted = (heads + keyHeads) * width + keyHeads * valueWidth;
  if (!Number.isInteger(width) || width < 1 || width > widestHead || wanted !== columns) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${axis} to be those of ${heads} queries and ${keyHeads} keys` +
        `${ownWidth === undefined ? '' : ` of ${ownWidth} elements`}, and of ${keyHeads} values` +
        `${ownValueWidth === undefined ? '' : ` of ${ownValueWidth}`}, received ${columns}`,
    );
  }
  return { heads, keyHeads, width, valueWidth };
}

/** Columns of a product from `first` on, as heads. */
function view(
  { type, dims }: TensorArgument,
  data: TypedArray,
  first: number,
  heads: number,
  width: number,
): TensorLike {
  const rowDims = dims.slice(0, -1);
  const columns = dims[dims.length - 1];
  const rows = rowDims.reduce((count, length) => count * length, 1);
  const strides = rowDims.map((_, axis) =>
    rowDims.slice(axis + 1).reduce((stride, length) => stride * length, columns),
  );
  const reach = rows === 0 ? 0 : (rows - 1) * columns + heads * width;
  return {
    type,
    dims: [...rowDims, heads, width],
    data: plainView(data, type, rows === 0 ? 0 : first, reach),
    strides: [...strides, width, 1],
  };
}

/**
 * Query, key and value as views of one product that has their columns side by side, in this order, as the
 * linear map of nn.MultiheadAttention (`in_proj_weight`), GPT-2 (`c_attn`) or Phi-3 (`qkv_proj`) gives it.
 * Nothing is copied: the views share the memory of the product and have `strides`. Attention and
 * `KeyValueCache.append` take them as they are, with the layout 'bshd'; all other functions refuse them.
 *
 * @param product [batch, steps, columns], or [tokens, columns] for packed attention, in the memory of the
 *   CPU; any floating-point type; columns = (heads + keyValueHeads) · width + keyValueHeads · valueWidth
 * @throws HeedError HEED_SHAPE_MISMATCH if there are other columns, HEED_NOT_ON_CPU for a product on a device,
 *   and others: see `code`
 *
 * @example
 * const { query, key, value } = splitHeads(await project(input, weight), { heads: 12 });
 * const output = await attention(query, key, value, { layout: 'bshd', causal: true });
 */
export function splitHeads(product: TensorLike, options: SplitHeadsOptions): SplitHeads {
  const tensor = readTensor(product, 'product');
  expectFloat(tensor);
  const { dims, type, size } = tensor;
  if (dims.length !== 2 && dims.length !== 3) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected product.dims to have 3 axes, [batch, steps, columns], or 2, [tokens, columns], received ${describeDims(dims)}`,
    );
  }
  const last = dims.length - 1;
  const { heads, keyHeads, width, valueWidth } = readWidths(options, dims[last], `product.dims[${last}]`);
  if (tensor.location !== 'cpu') {
    throw new HeedError(
      'HEED_NOT_ON_CPU',
      `Expected product to be in the memory of the CPU, received one at '${tensor.location}'; copy it with to(), or project to queries, keys and values apart`,
    );
  }
  const data = checkData(tensor.data, type, size, 'product.data');
  const keys = heads * width;
  return {
    query: view(tensor, data, 0, heads, width),
    key: view(tensor, data, keys, keyHeads, width),
    value: view(tensor, data, keys + keyHeads * width, keyHeads, valueWidth),
  };
}
