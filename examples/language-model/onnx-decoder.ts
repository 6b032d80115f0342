/** The same weights in onnxruntime, with keys and values kept in place from token to token. */
import type { Graph } from '../../bench/peers/onnx-model.js';
import { type OrtTensor, openSession } from '../../bench/peers/onnxruntime.js';
import type { Configuration } from '../../lib/demo/language-model/configuration.js';
import { onnxGraph } from './onnx-graph.js';

type Opened = Awaited<ReturnType<typeof openSession>>;

export class OnnxDecoder {
  readonly #opened: Opened;
  readonly #vocabulary: number;
  /** Written where they are read. */
  readonly #past: Readonly<Record<string, OrtTensor>>;
  readonly #present: Readonly<Record<string, OrtTensor>>;
  #length = 0;

  private constructor(opened: Opened, graph: Graph<number | string>, configuration: Configuration) {
    const capacity = configuration.max_position_embeddings;
    const past: Record<string, OrtTensor> = {};
    const present: Record<string, OrtTensor> = {};
    for (const { name, dims } of graph.inputs.filter((input) => input.name.startsWith('past.'))) {
      const shape = dims.map((length) => (typeof length === 'number' ? length : capacity));
      const size = shape.reduce((product, length) => product * length, 1);
      past[name] = new opened.Tensor('float32', new Float32Array(size), shape);
      present[name.replace('past.', 'present.')] = past[name];
    }
    this.#opened = opened;
    this.#vocabulary = configuration.vocab_size;
    this.#past = past;
    this.#present = present;
  }

  static async load(folder: string, configuration: Configuration, threads: number): Promise<OnnxDecoder> {
    const graph = await onnxGraph(folder, configuration);
    return new OnnxDecoder(await openSession(graph, threads), graph, configuration);
  }

  /** Forgets all tokens. */
  reset(): void {
    this.#length = 0;
  }

  /** @returns [tokens, vocabulary] */
  async forward(tokens: readonly number[]): Promise<Float32Array> {
    const { Tensor, session } = this.#opened;
    this.#length += tokens.length;
    const logits = new Float32Array(tokens.length * this.#vocabulary);
    await session.run(
      {
        tokens: new Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
        lengthLessOne: new Tensor('int32', Int32Array.of(this.#length - 1), [1]),
        length: new Tensor('int32', Int32Array.of(this.#length), [1]),
        ...this.#past,
      },
      { logits: new Tensor('float32', logits, [1, tokens.length, this.#vocabulary]), ...this.#present },
    );
    return logits;
  }

  release(): Promise<void> {
    return this.#opened.session.release();
  }
}
