/** The model as a graph of ONNX, with the weights of its file: what onnxruntime runs to be compared with. */
import { join } from 'node:path';
import type { Graph, Node, Value } from '../../bench/peers/onnx-model.js';
import type { Configuration } from '../../lib/demo/language-model/configuration.js';
import { open, type SafetensorsFile } from '../../lib/safetensors.js';

type Constant = NonNullable<Graph['constants']>[number];

/** Collects nodes and weights; every method adds what it is named for and returns the name of the result. */
class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly constants: Constant[] = [];

  constructor(
    private readonly file: SafetensorsFile,
    private readonly epsilon: number,
  ) {}

  apply(
    operator: string,
    inputs: readonly string[],
    attributes: Node['attributes'] = {},
    domain: Node['domain'] = '',
    further: readonly string[] = [],
  ): string {
    const output = `${operator}.${this.nodes.length}`;
    this.nodes.push({ operator, domain, inputs, outputs: [output, ...further], attributes });
    return output;
  }

  constant(name: string, dims: readonly number[], data: Float32Array): string {
    this.constants.push({ name, dims, data });
    return name;
  }

  async weight(name: string): Promise<string> {
    const tensor = (await this.file.read(name)).cast('float32');
    return this.constant(name, tensor.dims, tensor.data as Float32Array);
  }

  /** MatMul takes [in, out]. */
  async linear(input: string, name: string): Promise<string> {
    const tensor = (await this.file.read(`${name}.weight`)).cast('float32');
    const [rows, columns] = tensor.dims;
    const data = tensor.data as Float32Array;
    const turned = Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
    const weight = this.constant(`${name}.transposed`, [columns, rows], turned);
    return this.apply('MatMul', [input, weight]);
  }

  async normalize(input: string, name: string): Promise<string> {
    const weight = await this.weight(`${name}.weight`);
    return this.apply('RMSNormalization', [input, weight], { epsilon: { float: this.epsilon } });
  }
}

/** [positions, width / 2]: what GroupQueryAttention turns queries and keys by. */
function addRotaryTables(builder: GraphBuilder, configuration: Configuration): void {
  const { hidden_size, num_attention_heads, max_position_embeddings, rope_theta } = configuration;
  const half = hidden_size / num_attention_heads / 2;
  const angle = (i: number) => Math.floor(i / half) * rope_theta ** (-(i % half) / half);
  const dims = [max_position_embeddings, half];
  const table = (wave: (angle: number) => number) =>
    Float32Array.from({ length: dims[0] * half }, (_, i) => wave(angle(i)));
  builder.constant('cosines', dims, table(Math.cos));
  builder.constant('sines', dims, table(Math.sin));
}

/**
 * Inputs: tokens [1, steps]; lengths, of the text after this run less one [1], and of the text [1]; and for each layer the keys and
 * values before it, [1, heads, capacity, width]. Outputs: logits [1, steps, vocabulary], and keys and values.
 */
export async function onnxGraph(
  folder: string,
  configuration: Configuration,
): Promise<Graph<number | string>> {
  const {
    num_hidden_layers,
    num_attention_heads: heads,
    hidden_size,
    vocab_size,
    rms_norm_eps,
  } = configuration;
  const width = hidden_size / heads;
  const file = await open(join(folder, 'model.safetensors'));
  try {
    const builder = new GraphBuilder(file, rms_norm_eps);
    addRotaryTables(builder, configuration);
    const cache = (name: string): Value<number | string> => ({
      name,
      type: 'float32',
      dims: [1, heads, 'capacity', width],
    });
    const before: Value<number | string>[] = [];
    const after: Value<number | string>[] = [];
    const table = await builder.weight('model.embed_tokens.weight');
    let x = builder.apply('Gather', [table, 'tokens']);
    for (let layer = 0; layer < num_hidden_layers; layer++) {
      const name = `model.layers.${layer}`;
      const normalized = await builder.normalize(x, `${name}.input_layernorm`);
      const parts: string[] = [];
      for (const part of ['q', 'k', 'v'])
        parts.push(await builder.linear(normalized, `${name}.self_attn.${part}_proj`));
      const [keys, values] = [`keys.${layer}`, `values.${layer}`];
      before.push(cache(`past.${keys}`), cache(`past.${values}`));
      after.push(cache(`present.${keys}`), cache(`present.${values}`));
      const attended = builder.apply(
        'GroupQueryAttention',
        [...parts, `past.${keys}`, `past.${values}`, 'lengthLessOne', 'length', 'cosines', 'sines'],
        { num_heads: heads, kv_num_heads: heads, do_rotary: 1 },
        'com.microsoft',
        [`present.${keys}`, `present.${values}`],
      );
      x = builder.apply('Add', [x, await builder.linear(attended, `${name}.self_attn.o_proj`)]);
      const y = await builder.normalize(x, `${name}.post_attention_layernorm`);
      const gate = await builder.linear(y, `${name}.mlp.gate_proj`);
      const open = builder.apply('Mul', [gate, builder.apply('Sigmoid', [gate])]);
      const gated = builder.apply('Mul', [open, await builder.linear(y, `${name}.mlp.up_proj`)]);
      x = builder.apply('Add', [x, await builder.linear(gated, `${name}.mlp.down_proj`)]);
    }
    const last = await builder.normalize(x, 'model.norm');
    const logits = await builder.linear(last, 'model.embed_tokens');
    builder.nodes.push({ operator: 'Identity', domain: '', inputs: [logits], outputs: ['logits'] });
    return {
      nodes: builder.nodes,
      constants: builder.constants,
      inputs: [
        { name: 'tokens', type: 'int64', dims: [1, 'steps'] },
        { name: 'lengthLessOne', type: 'int32', dims: [1] },
        { name: 'length', type: 'int32', dims: [1] },
        ...before,
      ],
      outputs: [{ name: 'logits', type: 'float32', dims: [1, 'steps', vocab_size] }, ...after],
    };
  } finally {
    await file.close();
  }
}
