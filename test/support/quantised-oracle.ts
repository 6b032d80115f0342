/** An independent reading of quantised weights, and the product that they are defined to give, in float64. */
import type { QuantisedWeight } from '../../lib/problem/quantised-weight.js';

const levels = [-127, -100, -79, -62, -47, -34, -22, -11, 0, 12, 24, 36, 50, 65, 83, 106];

/** The elements that a weight stands for, row by row. */
export function weightOracle({ type, columns, inner, values, scales, groupSize }: QuantisedWeight): number[] {
  const size = type === 'int8' ? inner : groupSize;
  const groups = Math.ceil(inner / size);
  const bytes = Math.ceil(inner / 2);
  const multiple = (row: number, i: number) => {
    if (type === 'int8') return values[row * inner + i];
    const pair = values[row * bytes + Math.floor(i / 2)].toString(16).padStart(2, '0');
    return levels[Number.parseInt(pair[1 - (i % 2)], 16)];
  };
  return Array.from({ length: columns * inner }, (_, at) => {
    const [row, i] = [Math.floor(at / inner), at % inner];
    return multiple(row, i) * scales[row * groups + Math.floor(i / size)];
  });
}

function toEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** What a row of an input is rounded to, and whether it was rounded twice. */
export function rowOracle(
  row: readonly number[],
  round = Math.fround,
): { readonly row: number[]; readonly twice: boolean } {
  if (!row.every(Number.isFinite)) return { row: row.map(() => Number.NaN), twice: false };
  const most = Math.max(0, ...row.map(Math.abs));
  if (most === 0) return { row: row.map(() => 0), twice: false };
  const lift = most < 2 ** -100 ? 2 ** 100 : 1;
  const inverse = round(127 / round(most * lift));
  const scaled = row.map((x) => round(round(x * lift) * inverse));
  const first = scaled.map(toEven);
  const meanSquare = first.reduce((sum, q) => sum + q * q, 0) / row.length;
  const twice = 127 * 127 > 25 * meanSquare;
  const rest = scaled.map((x, i) => (twice ? toEven(round(round(x - first[i]) * 254)) / 254 : 0));
  return { row: first.map((q, i) => ((q + rest[i]) * most) / 127), twice };
}

/** Rows of x times the weight, plus the bias. */
export function quantisedProductOracle(
  x: readonly number[],
  weight: QuantisedWeight,
  bias: readonly number[] = [],
  round = Math.fround,
): number[] {
  const { columns, inner } = weight;
  const w = weightOracle(weight);
  const y: number[] = [];
  for (let at = 0; at < x.length; at += inner) {
    const { row } = rowOracle(x.slice(at, at + inner), round);
    for (let column = 0; column < columns; column++) {
      let sum = bias[column] ?? 0;
      for (let i = 0; i < inner; i++) sum += row[i] * w[column * inner + i];
      y.push(sum);
    }
  }
  return y;
}
