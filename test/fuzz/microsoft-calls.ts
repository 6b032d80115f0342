/** Good calls of the operators of com.microsoft. */
import { microsoft } from '../../lib/onnx.js';
import {
  drawGroupQueryAttention,
  drawMultiHeadAttention,
  drawRotaryEmbedding,
  type MicrosoftNode,
} from '../onnx/microsoft/nodes.js';
import { Random } from '../support/random.js';
import { loosely, maybe } from './good-values.js';
import { type Draw, pick } from './hostile-values.js';
import {
  groupQueryAttentionModel,
  microsoftRotaryModel,
  multiHeadAttentionModel,
} from './microsoft-model.js';
import type { Target } from './outcome.js';

type DrawNode = (random: Random, type: 'float32' | 'float16' | 'bfloat16', kernels: 'heed') => MicrosoftNode;

/** The inputs of a random node as plain objects, its attributes, and options. */
function argumentsOf(draw: Draw, drawNode: DrawNode, options: () => object): unknown[] {
  const type = pick(draw, ['float32', 'float32', 'float32', 'float16', 'bfloat16'] as const);
  const { inputs, attributes } = drawNode(new Random(`node ${draw.below(2 ** 31)}`), type, 'heed');
  const plain = Object.entries(inputs).map(([name, tensor]) => {
    return [name, { type: tensor.type, dims: [...tensor.dims], data: tensor.data }];
  });
  return [Object.fromEntries(plain), { ...attributes }, options()];
}

/** The three operators on one backend. */
export function microsoftTargets(draw: Draw, backend: string): Target[] {
  const results = (result: unknown) => ({ ...(result as object) });
  const outputs = () => pick(draw, [[], ['qk'], ['output', 'present_value'], ['present_key', 'qk']]);
  const operators = [
    {
      name: 'groupQueryAttention',
      drawNode: drawGroupQueryAttention,
      options: () => ({ backend }),
      model: groupQueryAttentionModel,
    },
    {
      name: 'multiHeadAttention',
      drawNode: drawMultiHeadAttention,
      options: () => ({ backend, ...maybe(draw, 'outputs', outputs) }),
      model: multiHeadAttentionModel,
    },
    {
      name: 'rotaryEmbedding',
      drawNode: drawRotaryEmbedding,
      options: () => ({ backend }),
      model: microsoftRotaryModel,
    },
  ] as const;
  return operators.flatMap(({ name, drawNode, options, model }) =>
    ([name, `${name}Sync`] as const).map((each) => ({
      name: `microsoft.${each}`,
      arguments: () => argumentsOf(draw, drawNode, options),
      call: (args: readonly unknown[]) => loosely(microsoft[each])(...args),
      model,
      results,
    })),
  );
}
