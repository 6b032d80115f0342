import { attentionDetails, attentionDetailsSync } from '../attention/attention.js';
import type { AttentionDetails, AttentionDetailsOptions } from '../attention/details.js';
import type { AttentionOptions } from '../attention/options.js';
import type { BackendName } from '../backends/backend.js';
import { type Allocations, allocating, allocatingSync } from '../memory/allocations.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorLike, TensorType } from '../tensor/types.js';
import { atOnce, inTurns } from '../time-slices.js';
import type { Opset } from './arguments.js';
import { type AttentionNode, type AttentionOutputName, readAttentionNode } from './attention-node.js';
import { appendSteps, type Heads, joinHeads, tensorOf, withHeadsFirst } from './heads.js';

/** The inputs of an Attention node, by the operator's names. */
export interface AttentionInputs {
  /** [batch, q_num_heads, q_steps, head_size], or [batch, q_steps, q_num_heads · head_size]. */
  readonly Q: TensorLike;
  /** [batch, kv_num_heads, kv_steps, head_size], or [batch, kv_steps, kv_num_heads · head_size]; the type of Q. */
  readonly K: TensorLike;
  /** [batch, kv_num_heads, kv_steps, v_head_size], or [batch, kv_steps, kv_num_heads · v_head_size]. */
  readonly V: TensorLike;
  /**
   * Broadcasts to [batch, q_num_heads, q_steps, total_steps]. bool: true may be attended; float: added. From operator
   * set 24 on the last axis may be shorter: keys beyond it are excluded.
   */
  readonly attn_mask?: TensorLike;
  /** [batch, kv_num_heads, past_steps, head_size]; goes before K. Only together with past_value. */
  readonly past_key?: TensorLike;
  /** [batch, kv_num_heads, past_steps, v_head_size]; goes before V. */
  readonly past_value?: TensorLike;
  /**
   * int64 [batch]: the number of valid keys of each entry, if K and V are a whole cache. From operator set 24
   * on.
   */
  readonly nonpad_kv_seqlen?: TensorLike;
}

/** The attributes of an Attention node, by the operator's names. */
export interface AttentionAttributes {
  /** 1: query i attends key j only if j ≤ i + offset, the offset being past_steps, nonpad_kv_seqlen − q_steps, or 0. */
  readonly is_causal?: 0 | 1;
  /** The number of query heads; only for inputs of three axes. */
  readonly q_num_heads?: number;
  /** Key and value heads, as q_num_heads. */
  readonly kv_num_heads?: number;
  /** Default 1 / √head_size. */
  readonly scale?: number;
  /** Scores become softcap · tanh(score / softcap); 0, the default, leaves them unchanged. */
  readonly softcap?: number;
  /**
   * The content of qk_matmul_output: 0 scaled products (default), 1 after the softcap, 2 after mask and bias,
   * 3 after the softmax.
   */
  readonly qk_matmul_output_mode?: 0 | 1 | 2 | 3;
  /**
   * TensorProto's number of a type: 1 float, 10 float16, 11 double, 16 bfloat16. A lower bound of the
   * precision: the softmax is always computed in float32, or in float64 for float64 inputs and on the
   * reference backend.
   */
  readonly softmax_precision?: 1 | 10 | 11 | 16;
  /** How many keys before and after its own position a query attends; -1, the default, is all. From operator set 25 on. */
  readonly left_window_size?: number;
  /** See left_window_size. */
  readonly right_window_size?: number;
}

/** Options outside the node: its operator set, the backend, the requested outputs. */
export interface AttentionOperatorOptions {
  /** The operator set that the node belongs to; default 25. */
  readonly opset?: Opset;
  /** The backend; default 'auto'. */
  readonly backend?: BackendName;
  /** The optional outputs to return besides Y; default present_key and present_value if there is a past. */
  readonly outputs?: readonly AttentionOutputName[];
}

/** The requested outputs, by their ONNX names. */
export interface AttentionOutputs {
  /** As Q, with v_head_size in place of head_size. */
  Y: Tensor;
  /** [batch, kv_num_heads, past_steps + kv_steps, head_size] */
  present_key?: Tensor;
  /** [batch, kv_num_heads, past_steps + kv_steps, v_head_size] */
  present_value?: Tensor;
  /** [batch, q_num_heads, q_steps, total_steps] of Q's type, as qk_matmul_output_mode says. */
  qk_matmul_output?: Tensor;
}

function castTensor(allocations: Allocations, tensor: Tensor, type: TensorType): Tensor {
  return tensor.type === type ? tensor : allocations.adopt(tensor.cast(type));
}

/** The operands of attention: of one type and one order of axes, with the past in front. */
interface Operands {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly layout: 'bhsd' | 'bshd';
  readonly present: { readonly key: Tensor; readonly value: Tensor } | undefined;
}

function alike(node: AttentionNode, query: Heads, key: Heads, value: Heads): Operands {
  const [q, k, v] = [query, key, value].map((split) =>
    castTensor(node.allocations, tensorOf(split), node.type),
  );
  return { query: q, key: k, value: v, layout: query.stepsFirst ? 'bshd' : 'bhsd', present: undefined };
}

/** Puts the past in front of keys and values. Pauses now and then. */
function* withPresent(node: AttentionNode): Generator<void, Operands> {
  const { allocations, past, query, key, value } = node;
  const keys = yield* appendSteps(allocations, past?.key, key, 'present_key');
  const values = yield* appendSteps(allocations, past?.value, value, 'present_value');
  const queries = past ? yield* withHeadsFirst(allocations, query) : query;
  const present = { key: tensorOf(keys), value: tensorOf(values) };
  return { ...(past ? alike(node, queries, keys, values) : alike(node, query, key, value)), present };
}

function needsPresent({ past, outputs }: AttentionNode): boolean {
  return past !== undefined || outputs.has('present_key') || outputs.has('present_value');
}

function* operandsOf(node: AttentionNode): Generator<void, Operands> {
  return needsPresent(node) ? yield* withPresent(node) : alike(node, node.query, node.key, node.value);
}

/**
 * The options of each call of attention details: the first result has the output, the last one the requested
 * stage.
 */
function questions(node: AttentionNode, { layout }: Operands): AttentionDetailsOptions[] {
  const { stage, mask, keyLengths } = node;
  const unmasked = { layout, scale: node.scale, softcap: node.softcap, backend: node.backend };
  const options: AttentionOptions = {
    ...unmasked,
    causal: node.causal,
    window: node.window,
    queryOffset: node.queryOffset,
    ...(keyLengths && { kvLengths: keyLengths }),
    ...(mask && { mask }),
  };
  if (!node.outputs.has('qk_matmul_output')) return [{ ...options, include: [] }];
  if (stage === 'biasedScores' || stage === 'weights' || keyLengths === undefined) {
    return [{ ...options, include: [stage] }];
  }
  // Before the mask every key has a score, those that lengths exclude too.
  return [
    { ...options, include: [] },
    { ...unmasked, include: [stage] },
  ];
}

/** Y as the operator specifies it: with the type and the axes of Q. */
function* arrange(node: AttentionNode, output: Tensor, layout: Operands['layout']): Generator<void, Tensor> {
  const { allocations, query } = node;
  const typed = castTensor(allocations, output, query.type);
  return query.stepsFirst
    ? yield* joinHeads(allocations, typed, 'Y', layout === 'bshd')
    : allocations.share(typed);
}

/** The tensors of an answer belong to the operation, whatever happens to the next one. */
function adopted({ allocations }: AttentionNode, answer: AttentionDetails): AttentionDetails {
  for (const tensor of Object.values(answer) as Tensor[]) allocations.adopt(tensor);
  return answer;
}

function* outputsOf(
  node: AttentionNode,
  { layout, present }: Operands,
  answers: readonly AttentionDetails[],
): Generator<void, AttentionOutputs> {
  const { allocations } = node;
  const stage = answers[answers.length - 1][node.stage];
  return {
    Y: yield* arrange(node, answers[0].output, layout),
    ...(present && node.outputs.has('present_key') && { present_key: allocations.share(present.key) }),
    ...(present && node.outputs.has('present_value') && { present_value: allocations.share(present.value) }),
    ...(stage && {
      qk_matmul_output: allocations.share(castTensor(allocations, stage, node.query.type)),
    }),
  };
}

/**
 * The ONNX operator Attention of the operator sets 23, 24 and 25, fused: the matrix of scores is stored only
 * if qk_matmul_output is requested. A query that may attend no key gets zeros, and zero weights.
 *
 * Tensors on a device are computed with there, and so are the results; nonpad_kv_seqlen is read wherever it
 * is. V may be of another floating-point type than Q and K; float64 runs on the reference backend.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Attention.html
 * @throws HeedError (the promise rejects) HEED_UNKNOWN_OPTION for a name that the operator set does not have,
 *   HEED_INVALID_ARGUMENT for an attribute out of range or a missing input, HEED_SHAPE_MISMATCH,
 *   HEED_TYPE_MISMATCH, HEED_UNSUPPORTED_TYPE, and what `attention` of heed throws
 *
 * @example
 * const { Y, present_key } = await attention({ Q, K, V, past_key, past_value }, { is_causal: 1 });
 */
export function attention(
  inputs: AttentionInputs,
  attributes: AttentionAttributes = {},
  options: AttentionOperatorOptions = {},
): Promise<AttentionOutputs> {
  return allocating(async (allocations) => {
    const node = readAttentionNode(allocations, inputs, attributes, options);
    const operands = await inTurns(operandsOf(node));
    const { query, key, value } = operands;
    const answers: AttentionDetails[] = [];
    for (const asked of questions(node, operands))
      answers.push(adopted(node, await attentionDetails(query, key, value, asked)));
    return await inTurns(outputsOf(node, operands, answers));
  });
}

/** {@link attention}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function attentionSync(
  inputs: AttentionInputs,
  attributes: AttentionAttributes = {},
  options: AttentionOperatorOptions = {},
): AttentionOutputs {
  return allocatingSync((allocations) => {
    const node = readAttentionNode(allocations, inputs, attributes, options);
    const operands = atOnce(operandsOf(node));
    const { query, key, value } = operands;
    const answers = questions(node, operands).map((asked) =>
      adopted(node, attentionDetailsSync(query, key, value, asked)),
    );
    return atOnce(outputsOf(node, operands, answers));
  });
}
