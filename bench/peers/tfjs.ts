/**
 * TensorFlow.js on WebAssembly, which has no attention operator: a product, a softmax and a product. It uses
 * one thread, as always under Node.
 */
import type { AttentionInputs, AttentionShape } from '../contests/attention-shape.js';
import type { Contestant } from '../row.js';
import { loadPeer } from './packages.js';

interface TfTensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface Tensorflow {
  setBackend(name: string): Promise<boolean>;
  tensor(data: Float32Array, dims: readonly number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  mul(a: TfTensor, b: number): TfTensor;
  softmax(a: TfTensor): TfTensor;
  tidy(work: () => TfTensor): TfTensor;
}

export async function tfjsAttention(
  { heads, queries, keys, width }: AttentionShape,
  { query, sets }: AttentionInputs,
): Promise<Contestant> {
  const tf = loadPeer<Tensorflow>('@tensorflow/tfjs-core');
  loadPeer('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.setBackend('wasm'))) throw new Error('tfjs has not found its WebAssembly backend');
  const q = tf.tensor(query, [1, heads, queries, width]);
  const [k, v] = [sets[0].key, sets[0].value].map((data) => tf.tensor(data, [1, heads, keys, width]));
  let output: Float32Array = new Float32Array();
  return {
    run: async () => {
      const result = tf.tidy(() =>
        tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width))), v),
      );
      output = await result.data();
      result.dispose();
    },
    result: () => output,
    dispose: () => {
      for (const tensor of [q, k, v]) tensor.dispose();
    },
  };
}
