/** TensorFlow.js on WebAssembly, which differentiates. It is in node_modules here, where only this file looks. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../lib/package-root.js';

/** A tensor; of its methods only those that are used. */
export interface TfTensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

export type Save = (tensors: readonly TfTensor[]) => void;
interface Differentiable<Gradient> {
  readonly value: TfTensor;
  readonly gradFunc: (dy: TfTensor, saved: TfTensor[]) => Gradient;
}
type UnaryOperation = (x: TfTensor, save: Save) => Differentiable<TfTensor>;
type BinaryOperation = (a: TfTensor, b: TfTensor, save: Save) => Differentiable<TfTensor[]>;
type TernaryOperation = (a: TfTensor, b: TfTensor, c: TfTensor, save: Save) => Differentiable<TfTensor[]>;

/** What is used of it: the package is not there when this is compiled. */
export interface Tensorflow {
  setBackend(name: string): Promise<boolean>;
  tidy<Result>(work: () => Result): Result;
  keep(tensor: TfTensor): TfTensor;
  tensor(data: Float32Array, shape: readonly number[]): TfTensor;
  tensor1d(data: Int32Array, type: 'int32'): TfTensor;
  variable(initial: TfTensor, trainable?: boolean, name?: string): TfTensor;
  oneHot(ids: TfTensor, depth: number): TfTensor;
  gather(table: TfTensor, ids: TfTensor): TfTensor;
  reshape(x: TfTensor, shape: readonly number[]): TfTensor;
  transpose(x: TfTensor, axes?: readonly number[]): TfTensor;
  slice(x: TfTensor, begin: readonly number[], size: readonly number[]): TfTensor;
  concat(parts: readonly TfTensor[], axis: number): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  add(a: TfTensor, b: TfTensor | number): TfTensor;
  sub(a: TfTensor | number, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: TfTensor | number): TfTensor;
  div(a: TfTensor, b: TfTensor | number): TfTensor;
  neg(x: TfTensor): TfTensor;
  log(x: TfTensor): TfTensor;
  square(x: TfTensor): TfTensor;
  rsqrt(x: TfTensor): TfTensor;
  sigmoid(x: TfTensor): TfTensor;
  softmax(x: TfTensor): TfTensor;
  sum(x: TfTensor, axis?: number, keepDims?: boolean): TfTensor;
  mean(x: TfTensor, axis?: number, keepDims?: boolean): TfTensor;
  stack(parts: readonly TfTensor[]): TfTensor;
  /** @param operation gives its value and how the gradient of its inputs follows from that of the value */
  customGrad(operation: UnaryOperation): (x: TfTensor) => TfTensor;
  customGrad(operation: TernaryOperation): (a: TfTensor, b: TfTensor, c: TfTensor) => TfTensor;
  customGrad(operation: BinaryOperation): (a: TfTensor, b: TfTensor) => TfTensor;
  /** The gradient of a number, by the names of all variables. */
  variableGrads(loss: () => TfTensor): { value: TfTensor; grads: Record<string, TfTensor> };
  readonly train: { adam(learningRate: number, beta1: number, beta2: number): TfOptimizer };
}

export interface TfOptimizer {
  learningRate: number;
  /** One step, against the gradients of variables, by their names. */
  applyGradients(gradients: Readonly<Record<string, TfTensor>>): void;
}

export async function loadTensorflow(): Promise<Tensorflow> {
  const require = createRequire(join(packageRoot, 'examples/language-model/package.json'));
  const tf = require('@tensorflow/tfjs') as Tensorflow;
  require('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.setBackend('wasm'))) throw new Error('TensorFlow.js has not found its WebAssembly backend');
  return tf;
}
