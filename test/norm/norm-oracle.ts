/** Norms of rows by their definition, in float64. */
import type { NormOptions } from '../../lib/norm/norm.js';
import { toNumbers } from '../support/numbers.js';

type OracleOptions = Pick<NormOptions, 'type' | 'weight' | 'bias' | 'epsilon' | 'offset'>;

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x / numbers.length, 0);
}

export function normOracle(x: readonly number[], width: number, given: OracleOptions): number[] {
  const { type = 'rms', weight, bias, epsilon = 1e-6, offset = 0 } = given;
  const factors = toNumbers(weight);
  const terms = bias ? toNumbers(bias) : factors.map(() => 0);
  const rows = Array.from({ length: x.length / width }, (_, row) => {
    const numbers = x.slice(row * width, (row + 1) * width);
    const center = type === 'layer' ? mean(numbers) : 0;
    const deviation = Math.sqrt(mean(numbers.map((each) => (each - center) ** 2)) + epsilon);
    return numbers.map((each, i) => ((each - center) / deviation) * (factors[i] + offset) + terms[i]);
  });
  return rows.flat();
}
