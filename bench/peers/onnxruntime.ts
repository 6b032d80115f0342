/**
 * onnxruntime-node under equal conditions: the same number of threads, inputs in place, results in
 * preallocated memory.
 */
import type { TypedArray } from '../../lib/index.js';
import type { Contestant } from '../row.js';
import { type Graph, onnxModel, type Value } from './onnx-model.js';
import { loadPeer } from './packages.js';

export interface OrtTensor {
  readonly data: TypedArray;
}

interface Session {
  /** @param fetches memory for outputs; without it, onnxruntime allocates all of them */
  run(
    feeds: Record<string, OrtTensor>,
    fetches?: Record<string, OrtTensor>,
  ): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

interface Onnxruntime {
  readonly Tensor: new (type: string, data: TypedArray, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
}

export type Memory = Readonly<Record<string, TypedArray>>;

export async function openSession(graph: Graph<number | string>, threads: number) {
  const { Tensor, InferenceSession } = loadPeer<Onnxruntime>('onnxruntime-node');
  const session = await InferenceSession.create(onnxModel(graph), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // Errors: it warns of caches that are longer than it inferred.
    logSeverityLevel: 3,
    // Threads that spin while they wait would take processor time from heed.
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  });
  return { Tensor, session };
}

/**
 * @param graph returns the model and the types of its inputs and outputs
 * @param sets memory for every input and output by name; each turn takes the next set
 * @param result the output that is compared
 */
export async function onnxruntime(
  graph: Graph,
  sets: readonly Memory[],
  threads: number,
  result: string,
): Promise<Contestant> {
  const { Tensor, session } = await openSession(graph, threads);
  const tensors = (values: readonly Value[], memory: Memory) =>
    Object.fromEntries(values.map(({ name, type, dims }) => [name, new Tensor(type, memory[name], dims)]));
  const calls = sets.map((memory) => ({
    feeds: tensors(graph.inputs, memory),
    fetches: tensors(graph.outputs, memory),
  }));
  return {
    run: (turn) => {
      const { feeds, fetches } = calls[turn % calls.length];
      return session.run(feeds, fetches);
    },
    result: () => sets[0][result] as Float32Array,
    dispose: () => session.release(),
  };
}
