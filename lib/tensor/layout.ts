/** How tensors of several heads lie in memory. */
import { choiceOption } from '../checks/values.js';

/** Strides of heads, counted in elements; the elements of a row are neighbours. */
export interface Strides {
  readonly batchStride: number;
  readonly headStride: number;
  readonly stepStride: number;
}

/** The order of the axes of a tensor that has one for each. */
export type Layout = 'bhsd' | 'bshd';

/** Where heads and steps are among the axes. */
export interface Axes {
  readonly heads: 1 | 2;
  readonly steps: 1 | 2;
  readonly names: string;
}

export const axesOf: Readonly<Record<Layout, Axes>> = {
  bhsd: { heads: 1, steps: 2, names: 'batch, heads, steps, width' },
  bshd: { heads: 2, steps: 1, names: 'batch, steps, heads, width' },
};

/** The option `layout`. */
export function readLayout(value: unknown): Layout {
  return choiceOption(value, 'options.layout', ['bhsd', 'bshd'], 'bhsd');
}

export function denseStrides(layout: Layout, heads: number, steps: number, width: number): Strides {
  const batchStride = heads * steps * width;
  return layout === 'bhsd'
    ? { batchStride, headStride: steps * width, stepStride: width }
    : { batchStride, headStride: width, stepStride: heads * width };
}

/** What was read of a tensor's strides; undefined where it is dense. */
interface Strided {
  readonly strided?: { readonly strides: readonly number[] } | undefined;
}

/** Those of a tensor that has an axis for each, dense or not. */
export function stridesIn(
  { strided }: Strided,
  layout: Layout,
  heads: number,
  steps: number,
  width: number,
): Strides {
  if (strided === undefined) return denseStrides(layout, heads, steps, width);
  const { strides } = strided;
  const axes = axesOf[layout];
  return { batchStride: strides[0], headStride: strides[axes.heads], stepStride: strides[axes.steps] };
}

/** Of [tokens, heads, width], in which sequences lie end to end. */
export function packedStrides(heads: number, width: number): Strides {
  return { batchStride: 0, headStride: width, stepStride: heads * width };
}

/** The same of a tensor, dense or not. */
export function packedStridesIn({ strided }: Strided, heads: number, width: number): Strides {
  if (strided === undefined) return packedStrides(heads, width);
  const [stepStride, headStride] = strided.strides;
  return { batchStride: 0, headStride, stepStride };
}
