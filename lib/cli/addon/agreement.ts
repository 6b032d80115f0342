/** Whether a backend computes correct results: small computations, compared with the reference. */
import { attentionSync } from '../../attention/attention.js';
import type { BackendName } from '../../backends/backend.js';
import { MultiHeadAttention } from '../../multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../tensor/tensor.js';
import { randomUniform } from '../hashing.js';

/** The accuracy promised for float32, as ‖result − reference‖ / ‖reference‖. */
const tolerances = { cuda: 1e-5, cpu: 3e-6 };

export interface Comparison {
  readonly name: string;
  /** ‖result − reference‖ / ‖reference‖ */
  readonly error: number;
  readonly agrees: boolean;
}

export function compareWithReference(backend: keyof typeof tolerances): Comparison[] {
  return Object.entries(computations()).map(([name, compute]) => {
    const error = distance(compute(backend), compute('reference'));
    return { name, error, agrees: error <= tolerances[backend] };
  });
}

function computations(): Record<string, (backend: BackendName) => Tensor> {
  const uniform = randomUniform('doctor');
  const random = (...dims: number[]) => {
    const size = dims.reduce((product, length) => product * length, 1);
    return new Tensor(
      Float32Array.from({ length: size }, () => 2 * uniform() - 1),
      dims,
    );
  };
  const [query, key, value] = [random(2, 4, 70, 40), random(2, 2, 90, 40), random(2, 2, 90, 24)];
  const linear = (columns: number, inner: number) => ({
    weight: random(columns, inner),
    bias: random(columns),
  });
  const weights = {
    query: linear(96, 48),
    key: linear(96, 48),
    value: linear(96, 48),
    output: linear(48, 96),
  };
  const input = random(2, 70, 48);
  return {
    attention: (backend) => attentionSync(query, key, value, { causal: true, backend }),
    'multi-head': (backend) => {
      using layer = new MultiHeadAttention(weights, { heads: 4, backend });
      return layer.forwardSync(input);
    },
  };
}

function distance(actual: Tensor, expected: Tensor): number {
  const [a, b] = [actual.data as Float32Array, expected.data as Float32Array];
  const difference = a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
  return Math.sqrt(difference / b.reduce((sum, value) => sum + value ** 2, 0));
}
