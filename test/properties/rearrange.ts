/** Rearranges the elements of tensors. */
import { Tensor } from '../../lib/tensor/tensor.js';

/** The given entries along an axis, in the given order; counted from the end if negative. */
export function take(tensor: Tensor, axis: number, indices: readonly number[]): Tensor {
  const { dims } = tensor;
  const at = axis < 0 ? axis + dims.length : axis;
  const inner = dims.slice(at + 1).reduce((product, length) => product * length, 1);
  const outer = dims.slice(0, at).reduce((product, length) => product * length, 1);
  const taken = Tensor.zeros(tensor.type, [...dims.slice(0, at), indices.length, ...dims.slice(at + 1)]);
  for (let o = 0; o < outer; o++) {
    for (const [to, from] of indices.entries()) {
      const source = (o * dims[at] + from) * inner;
      const target = (o * indices.length + to) * inner;
      for (let i = 0; i < inner; i++) taken.data[target + i] = tensor.data[source + i];
    }
  }
  return taken;
}

/** The same for a mask, unless it broadcasts along the axis. */
export function takeOfMask(
  mask: Tensor | undefined,
  axis: -4 | -3 | -2 | -1,
  indices: readonly number[],
): Tensor | undefined {
  if (mask === undefined || mask.dims.length + axis < 0 || mask.dims[mask.dims.length + axis] === 1)
    return mask;
  return take(mask, axis, indices);
}

/** [batch, heads, steps, width] to [batch, steps, heads, width], and back. */
export function otherLayout(tensor: Tensor): Tensor {
  const [batch, first, second, width] = tensor.dims;
  const turned = Tensor.zeros(tensor.type, [batch, second, first, width]);
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < first; i++) {
      for (let j = 0; j < second; j++) {
        const source = ((b * first + i) * second + j) * width;
        const target = ((b * second + j) * first + i) * width;
        for (let w = 0; w < width; w++) turned.data[target + w] = tensor.data[source + w];
      }
    }
  }
  return turned;
}

export const range = (start: number, end: number) =>
  Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);
