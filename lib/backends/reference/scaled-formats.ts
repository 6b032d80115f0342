/** The types of caches whose rows have a scale: what an element of them stands for, in multiples of the scale. */
import type { ScaledType } from '../../problem/problem.js';
import { float8ToNumber, numberToFloat8 } from '../../tensor/elements.js';

export interface ScaledFormat {
  /** The largest multiple, which the scale of a row makes of its largest magnitude. */
  readonly most: number;
  /** The nearest element, ties to even; the last for what is larger than `most`. */
  toElement(multiple: number): number;
  toNumber(element: number): number;
}

/** The nearest integer, ties to even: adding and taking away 2⁵² leaves no room for a fraction. */
function nearest(x: number): number {
  return x + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
}

export const scaledFormats: Readonly<Record<ScaledType, ScaledFormat>> = {
  int8: {
    most: 127,
    toElement: (multiple) => nearest(Math.min(127, Math.max(-127, multiple))),
    toNumber: (element) => element,
  },
  float8: { most: 448, toElement: numberToFloat8, toNumber: float8ToNumber },
};
