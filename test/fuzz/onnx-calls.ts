/** Good calls of the ONNX operators. */
import { attention, attentionSync, rotaryEmbedding, rotaryEmbeddingSync } from '../../lib/onnx.js';
import { floatArray, floatTensorOf, loosely, maybe, sizes } from './good-values.js';
import { type Draw, pick } from './hostile-values.js';
import { onnxAttentionModel, rotaryModel } from './onnx-model.js';
import type { Target } from './outcome.js';

function attentionArguments(draw: Draw, backend: string): unknown[] {
  const opset = pick(draw, [23, 24, 25]);
  const [batch, keyHeads, group] = sizes(draw, 2, 2, 2);
  const [queries, keys, width, valueWidth] = sizes(draw, 3, 4, 5, 5);
  const heads = keyHeads * group;
  const flat = draw.below(2) === 0;
  const dims = (h: number, s: number, w: number) => (flat ? [batch, s, h * w] : [batch, h, s, w]);
  const past = draw.below(3);
  const cache =
    past > 0
      ? {
          past_key: floatTensorOf(draw, [batch, keyHeads, past, width]),
          past_value: floatTensorOf(draw, [batch, keyHeads, past, valueWidth]),
        }
      : {};
  const lengths = {
    type: 'int64',
    dims: [batch],
    data: BigInt64Array.from({ length: batch }, () => BigInt(draw.below(keys + 1))),
  };
  const maskDims = [batch, heads, queries, keys + past].slice(draw.below(3));
  const size = maskDims.reduce((product, length) => product * length, 1);
  return [
    {
      Q: floatTensorOf(draw, dims(heads, queries, width)),
      K: floatTensorOf(draw, dims(keyHeads, keys, width)),
      V: floatTensorOf(draw, dims(keyHeads, keys, valueWidth)),
      ...maybe(draw, 'attn_mask', () =>
        draw.below(2) === 0
          ? { type: 'bool', dims: maskDims, data: Uint8Array.from({ length: size }, () => draw.below(2)) }
          : { type: 'float32', dims: maskDims, data: floatArray(draw, size) },
      ),
      ...cache,
      ...(past === 0 && opset > 23 ? maybe(draw, 'nonpad_kv_seqlen', () => lengths) : {}),
    },
    {
      ...(flat ? { q_num_heads: heads, kv_num_heads: keyHeads } : {}),
      ...maybe(draw, 'is_causal', () => 1),
      ...maybe(draw, 'scale', () => 0.25),
      ...maybe(draw, 'softcap', () => 2),
      ...maybe(draw, 'qk_matmul_output_mode', () => draw.below(4)),
      ...maybe(draw, 'softmax_precision', () => 1),
      ...(opset === 25 ? maybe(draw, 'left_window_size', () => draw.below(3)) : {}),
    },
    { opset, backend, ...maybe(draw, 'outputs', () => ['Y', 'qk_matmul_output']) },
  ];
}

function rotaryArguments(draw: Draw, backend: string): unknown[] {
  const [batch, heads, steps, half] = sizes(draw, 2, 2, 3, 3);
  const flat = draw.below(2) === 0;
  const withIds = draw.below(2) === 0;
  const positions = 4;
  const cache = () => floatTensorOf(draw, withIds ? [positions, half] : [batch, steps, half]);
  const ids = BigInt64Array.from({ length: batch * steps }, () => BigInt(draw.below(positions)));
  return [
    {
      input: floatTensorOf(draw, flat ? [batch, steps, heads * half * 2] : [batch, heads, steps, half * 2]),
      cos_cache: cache(),
      sin_cache: cache(),
      ...(withIds ? { position_ids: { type: 'int64', dims: [batch, steps], data: ids } } : {}),
    },
    { ...(flat ? { num_heads: heads } : {}), ...maybe(draw, 'interleaved', () => 1) },
    { backend },
  ];
}

/** Both operators on one backend. */
export function onnxTargets(draw: Draw, backend: string): Target[] {
  const results = (result: unknown) => ({ ...(result as object) });
  const attended = {
    arguments: () => attentionArguments(draw, backend),
    model: onnxAttentionModel,
    results,
  };
  const rotated = { arguments: () => rotaryArguments(draw, backend), model: rotaryModel, results };
  return [
    { name: 'onnx attention', call: (args) => loosely(attention)(...args), ...attended },
    { name: 'onnx attentionSync', call: (args) => loosely(attentionSync)(...args), ...attended },
    { name: 'onnx rotaryEmbedding', call: (args) => loosely(rotaryEmbedding)(...args), ...rotated },
    { name: 'onnx rotaryEmbeddingSync', call: (args) => loosely(rotaryEmbeddingSync)(...args), ...rotated },
  ];
}
