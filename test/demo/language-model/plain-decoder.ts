/** The decoder by its definition, in float64 with plain loops: the reference for heed's decoder. */
import { join } from 'node:path';
import type { Configuration } from '../../../lib/demo/language-model/configuration.js';
import { open } from '../../../lib/safetensors.js';

type Rows = Float64Array[];

export interface Plain {
  /** [tokens, vocabulary] */
  readonly logits: Rows;
  /** For each layer, for each head: [tokens, tokens]. */
  readonly weights: Rows[][];
}

export async function plainDecoder(folder: string, configuration: Configuration) {
  const {
    hidden_size,
    num_hidden_layers,
    num_attention_heads: heads,
    rope_theta,
    rms_norm_eps,
  } = configuration;
  const matrices = new Map<string, Rows>();
  const file = await open(join(folder, 'model.safetensors'));
  for (const name of file.tensors.keys()) {
    const { dims, data } = (await file.read(name)).cast('float32');
    const columns = dims[dims.length - 1];
    const rows = dims.length === 1 ? 1 : dims[0];
    const numbers = Float64Array.from(data as Float32Array);
    matrices.set(
      name,
      Array.from({ length: rows }, (_, row) => numbers.subarray(row * columns, (row + 1) * columns)),
    );
  }
  await file.close();

  const matrix = (name: string): Rows => {
    const rows = matrices.get(`${name}.weight`);
    if (!rows) throw new Error(`no ${name}`);
    return rows;
  };
  const multiply = (x: Rows, weight: Rows): Rows =>
    x.map((row) => Float64Array.from(weight, (w) => dot(row, w)));
  const linear = (x: Rows, name: string): Rows => multiply(x, matrix(name));
  const normalize = (x: Rows, name: string): Rows =>
    x.map((row) => {
      const root = Math.sqrt(dot(row, row) / row.length + rms_norm_eps);
      return row.map((value, i) => (value / root) * matrix(name)[0][i]);
    });
  const add = (x: Rows, y: Rows): Rows => x.map((row, step) => row.map((value, i) => value + y[step][i]));

  function attend(name: string, x: Rows, seen: Rows[]): Rows {
    const width = hidden_size / heads;
    const [q, k, v] = ['q', 'k', 'v'].map((part) => linear(x, `${name}.${part}_proj`));
    const joint = x.map(() => new Float64Array(hidden_size));
    for (let head = 0; head < heads; head++) {
      const cut = (row: Float64Array) => row.subarray(head * width, (head + 1) * width);
      const queries = q.map((row, step) => rotate(cut(row), step, rope_theta));
      const keys = k.map((row, step) => rotate(cut(row), step, rope_theta));
      const weights = queries.map((query, step) => {
        const scores = keys.slice(0, step + 1).map((key) => Math.exp(dot(query, key) / Math.sqrt(width)));
        const sum = scores.reduce((total, score) => total + score, 0);
        return Float64Array.from(x, (_, key) => (key <= step ? scores[key] / sum : 0));
      });
      const values = v.map(cut);
      weights.forEach((row, step) => {
        const output = cut(joint[step]);
        for (let key = 0; key <= step; key++) {
          for (let i = 0; i < width; i++) output[i] += row[key] * values[key][i];
        }
      });
      seen.push(weights);
    }
    return linear(joint, `${name}.o_proj`);
  }

  return (tokens: readonly number[]): Plain => {
    const table = matrix('model.embed_tokens');
    const weights: Rows[][] = [];
    let x: Rows = tokens.map((token) => table[token]);
    for (let layer = 0; layer < num_hidden_layers; layer++) {
      const name = `model.layers.${layer}`;
      const seen: Rows[] = [];
      x = add(x, attend(`${name}.self_attn`, normalize(x, `${name}.input_layernorm`), seen));
      weights.push(seen);
      const y = normalize(x, `${name}.post_attention_layernorm`);
      const gate = linear(y, `${name}.mlp.gate_proj`);
      const up = linear(y, `${name}.mlp.up_proj`);
      const gated = gate.map((row, step) =>
        row.map((value, i) => (value / (1 + Math.exp(-value))) * up[step][i]),
      );
      x = add(x, linear(gated, `${name}.mlp.down_proj`));
    }
    return { logits: multiply(normalize(x, 'model.norm'), table), weights };
  };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Numbers i and i + width / 2 form a point, which is rotated by position · theta^(−2i / width). */
function rotate(row: Float64Array, position: number, theta: number): Float64Array {
  const half = row.length / 2;
  return row.map((value, i) => {
    const angle = position * theta ** (-(i % half) / half);
    const partner = i < half ? -row[i + half] : row[i - half];
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}
