/**
 * The initial weights of the model: random numbers, drawn such that its heads can learn to look back
 * within a million tokens. None of them looks anywhere in particular yet.
 */
import { randomUniform } from '../../lib/cli/hashing.js';
import type { Configuration } from '../../lib/demo/language-model/configuration.js';
import type { Tensorflow } from './tensorflow.js';
import { type Parameters, parameterShapes } from './transformer.js';

export function initialize(tf: Tensorflow, configuration: Configuration, seed: string): Parameters {
  const parameters: Record<string, ReturnType<Tensorflow['variable']>> = {};
  for (const [name, values] of Object.entries(firstValues(configuration, seed))) {
    const shape = parameterShapes(configuration)[name];
    parameters[name] = tf.variable(tf.tensor(values, shape), true, name);
  }
  return parameters;
}

/** All parameters, row by row. */
export function firstValues(configuration: Configuration, seed: string): Record<string, Float32Array> {
  const draw = randomUniform(seed);
  // Box and Muller 1958.
  const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  const values: Record<string, Float32Array> = {};
  for (const [name, shape] of Object.entries(parameterShapes(configuration))) {
    const size = shape.reduce((product, length) => product * length, 1);
    const deviation = deviationOf(name, shape, configuration.num_hidden_layers);
    values[name] = Float32Array.from({ length: size }, () => (shape.length === 1 ? 1 : deviation * normal()));
  }
  shareDirection(values['model.embed_tokens.weight'], configuration.hidden_size, normal);
  const last = `model.layers.${configuration.num_hidden_layers - 1}.self_attn`;
  passOn(values[`${last}.v_proj.weight`], values[`${last}.o_proj.weight`], configuration.hidden_size);
  return values;
}

/** The more parts there are that add to what a token is, the less each adds at first. */
function deviationOf(name: string, [inputs]: readonly number[], layers: number): number {
  if (name === 'model.embed_tokens.weight') return embeddingDeviation;
  const adds = /(?:o|down)_proj/.test(name);
  return 1 / Math.sqrt(inputs) / (adds ? Math.sqrt(2 * layers) : 1);
}

const embeddingDeviation = 0.1;

/**
 * Half of the embedding is the same for all tokens. Queries and keys have no bias here: a head can look at
 * a position, whatever token is there, only through what all tokens have in common.
 */
function shareDirection(embedding: Float32Array, width: number, normal: () => number): void {
  const shared = Float32Array.from({ length: width }, () => embeddingDeviation * normal());
  for (let i = 0; i < embedding.length; i++) embedding[i] += shared[i % width];
}

/**
 * Makes the values' map an orthogonal one, and adds its transpose to the map behind it: a head passes on
 * what it reads (in the manner of Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention Layers"). Both
 * are [width, width].
 */
function passOn(value: Float32Array, output: Float32Array, width: number): void {
  orthogonalize(value, width);
  for (let i = 0; i < output.length; i++) {
    output[i] += value[(i % width) * width + Math.floor(i / width)];
  }
}

/** Gram and Schmidt: takes from each row what it has in common with those before it. */
function orthogonalize(rows: Float32Array, width: number): void {
  const row = (i: number) => rows.subarray(i * width, (i + 1) * width);
  const product = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  for (let i = 0; i < width; i++) {
    const mine = row(i);
    for (let before = 0; before < i; before++) {
      const common = product(mine, row(before));
      row(before).forEach((value, at) => {
        mine[at] -= common * value;
      });
    }
    const length = Math.sqrt(product(mine, mine));
    mine.forEach((value, at) => {
      mine[at] = value / length;
    });
  }
}
