/** Good calls of all forms of attention. */
import {
  attention,
  attentionDetails,
  attentionDetailsSync,
  attentionSync,
} from '../../lib/attention/attention.js';
import { mergeAttention, mergeAttentionSync } from '../../lib/attention/merge.js';
import {
  packedAttention,
  packedAttentionDetails,
  packedAttentionDetailsSync,
  packedAttentionSync,
} from '../../lib/attention/packed.js';
import { attentionDetailsModel, attentionModel, type Expected } from './attention-model.js';
import {
  distanceIn,
  floatTensorOf,
  integersIn,
  loosely,
  maskOf,
  maybe,
  numbersIn,
  operandOf,
  sizes,
  slopesIn,
} from './good-values.js';
import { type Draw, pick } from './hostile-values.js';
import type { Target } from './outcome.js';
import { packedAttentionModel, packedDetailsModel } from './packed-model.js';
import {
  expect,
  expectCallOptions,
  floatTensor,
  isObject,
  list,
  numbers,
  options,
  sameDims,
} from './tensor-model.js';

const each = <T>(count: number, make: () => T) => Array.from({ length: count }, make);

export interface ScoredDims {
  readonly heads: number;
  readonly keyHeads: number;
  readonly width: number;
  readonly keys: number;
}

export function scoreOf(draw: Draw, { heads, keyHeads, width, keys }: ScoredDims): unknown {
  const forHeads = (count: number, dims: number[]) =>
    floatTensorOf(draw, draw.below(2) === 0 ? dims : [count, ...dims]);
  return pick<() => unknown>(draw, [
    () => 'scaled-dot',
    () => 'dot',
    () => 'cosine',
    () => ({ type: 'general', weight: forHeads(heads, [width, width]) }),
    () => {
      const hidden = 1 + draw.below(5);
      return {
        type: 'additive',
        query: forHeads(heads, [hidden, width]),
        key: forHeads(keyHeads, [hidden, width]),
        vector: forHeads(heads, [hidden]),
      };
    },
    () => ({ type: 'location', weight: forHeads(keyHeads, [keys + draw.below(2), width]) }),
  ])();
}

/** `target` is [batch, heads, queries]. */
export function selectionOf(draw: Draw, target: readonly number[]): unknown {
  const dims = target.slice(draw.below(4)).map((length) => (draw.below(2) === 0 ? 1 : length));
  return pick<() => unknown>(draw, [
    () => 'soft',
    () => 'hard',
    () => ({ type: 'hard', seed: draw.below(1000) }),
    () => ({ type: 'local', centers: floatTensorOf(draw, dims), halfWidth: (1 + draw.below(30)) / 10 }),
  ])();
}

export function sharedOptions(draw: Draw, scored: ScoredDims, maskDims: readonly number[], backend: string) {
  const { heads } = scored;
  return {
    backend,
    ...maybe(draw, 'score', () => scoreOf(draw, scored)),
    ...maybe(draw, 'select', () => selectionOf(draw, maskDims.slice(0, 3))),
    ...maybe(draw, 'scale', () => (draw.below(100) + 1) / 50),
    ...maybe(draw, 'softcap', () => draw.below(5)),
    ...maybe(draw, 'causal', () => draw.below(2) === 0),
    ...maybe(draw, 'window', () => ({ left: draw.below(4), ...maybe(draw, 'right', () => draw.below(4)) })),
    ...maybe(draw, 'alibiSlopes', () => slopesIn(draw, maskDims[0], heads)),
    ...distanceIn(draw),
    ...maybe(draw, 'sinks', () =>
      numbersIn(
        draw,
        each(heads, () => draw.below(5) - 2),
      ),
    ),
    ...maybe(draw, 'mask', () => maskOf(draw, maskDims)),
    ...maybe(draw, 'signal', () => new AbortController().signal),
  };
}

/** Perhaps how many of the steps of each entry are no padding. */
export const lengthsOf = (draw: Draw, steps: readonly number[]) =>
  maybe(draw, 'lengths', () => steps.map((count) => draw.below(count + 1))) as { lengths?: number[] };

function denseArguments(draw: Draw, backend: string) {
  const [batch, keyHeads, group] = sizes(draw, 2, 2, 2);
  const [queries, drawnKeys, width, valueWidth] = sizes(draw, 4, 6, 9, 9);
  const heads = keyHeads * group;
  const { lengths } = lengthsOf(draw, new Array<number>(batch).fill(queries));
  const keys = lengths ? queries : drawnKeys;
  const layout = pick(draw, ['bhsd', 'bshd']);
  const dims = (h: number, s: number, w: number) => (layout === 'bhsd' ? [batch, h, s, w] : [batch, s, h, w]);
  const options = {
    ...(layout === 'bshd' ? { layout } : {}),
    ...sharedOptions(draw, { heads, keyHeads, width, keys }, [batch, heads, queries, keys], backend),
    ...(lengths
      ? { lengths: integersIn(draw, lengths) }
      : {
          ...maybe(draw, 'kvLengths', () =>
            integersIn(
              draw,
              each(batch, () => draw.below(keys + 1)),
            ),
          ),
          ...maybe(draw, 'queryOffset', () =>
            draw.below(2) === 0
              ? draw.below(8) - 3
              : integersIn(
                  draw,
                  each(batch, () => draw.below(5) - 2),
                ),
          ),
        }),
  };
  const tensors = [
    dims(heads, queries, width),
    dims(keyHeads, keys, width),
    dims(keyHeads, keys, valueWidth),
  ];
  return { args: [...tensors.map((each) => operandOf(draw, each)), options], heads, queries };
}

/** The results requested besides the output. */
export function detailsOptions(draw: Draw, heads: number, queries: number) {
  const include = ['logSumExp', 'weights', 'scores', 'cappedScores', 'biasedScores'].filter(
    () => draw.below(2) === 0,
  );
  const rows = maybe(draw, 'rows', () => ({
    ...maybe(draw, 'heads', () => integersIn(draw, [draw.below(heads)])),
    ...(queries > 0 ? maybe(draw, 'queries', () => integersIn(draw, [draw.below(queries)])) : {}),
  }));
  return { include, ...rows };
}

function detailsArguments(draw: Draw, backend: string) {
  const { args, heads, queries } = denseArguments(draw, backend);
  return [...args.slice(0, 3), { ...(args[3] as object), ...detailsOptions(draw, heads, queries) }];
}

function packedArguments(draw: Draw, backend: string) {
  const sequences = 1 + draw.below(3);
  const startsOf = () => {
    const starts = [0];
    for (let i = 0; i < sequences; i++) starts.push(starts[i] + draw.below(4));
    return starts;
  };
  const queryStarts = startsOf();
  const keyStarts = draw.below(2) === 0 ? queryStarts : startsOf();
  const longest = (starts: number[]) => Math.max(0, ...starts.slice(1).map((end, i) => end - starts[i]));
  const [keyHeads, group, width, valueWidth] = sizes(draw, 2, 2, 9, 9);
  const heads = keyHeads * group;
  const tokens = queryStarts[sequences];
  const keyTokens = keyStarts[sequences];
  return [
    operandOf(draw, [tokens, heads, width]),
    operandOf(draw, [keyTokens, keyHeads, width]),
    operandOf(draw, [keyTokens, keyHeads, valueWidth]),
    {
      queryStarts: integersIn(draw, queryStarts),
      ...(keyStarts === queryStarts
        ? lengthsOf(
            draw,
            queryStarts.slice(1).map((end, i) => end - queryStarts[i]),
          )
        : { keyStarts: integersIn(draw, keyStarts) }),
      ...sharedOptions(
        draw,
        { heads, keyHeads, width, keys: longest(keyStarts) },
        [sequences, heads, longest(queryStarts), longest(keyStarts)],
        backend,
      ),
    },
  ];
}

function packedDetailsArguments(draw: Draw, backend: string) {
  const [query, key, value, options] = packedArguments(draw, backend);
  const [tokens, heads] = (query as { dims: number[] }).dims;
  return [query, key, value, { ...(options as object), ...detailsOptions(draw, heads, tokens) }];
}

/** Each tensor of a list by its place there. */
function flattened(details: unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details as object).flatMap(([name, value]: [string, unknown]) =>
      Array.isArray(value) ? value.map((each, entry) => [`${name} of ${entry}`, each]) : [[name, value]],
    ),
  );
}

function mergeArguments(draw: Draw, backend: string) {
  const dims = sizes(draw, 2, 2, 3);
  return [
    Array.from({ length: 1 + draw.below(3) }, () => ({
      output: floatTensorOf(draw, [...dims, 5]),
      logSumExp: floatTensorOf(draw, dims),
    })),
    {
      backend,
      ...maybe(draw, 'sinks', () =>
        numbersIn(
          draw,
          each(dims[1], () => draw.below(5) - 2),
        ),
      ),
      ...maybe(draw, 'signal', () => new AbortController().signal),
    },
  ];
}

function mergeModel(args: readonly unknown[]): Record<string, Expected> {
  const parts = list(args[0]).map((part) => {
    expect(isObject(part), 'a part');
    const { output, logSumExp } = options(part, ['output', 'logSumExp']);
    return { output: floatTensor(output), logSumExp: floatTensor(logSumExp) };
  });
  expect(parts.length >= 1 && parts.length <= 4096, 'parts');
  const given = options(args[1], ['sinks', 'backend', 'out', 'signal']);
  expectCallOptions(given);
  const { output, logSumExp } = parts[0];
  expect(output.dims.length >= 1, 'a width');
  for (const part of parts) {
    expect(part.output.type === output.type && sameDims(part.output.dims, output.dims), 'parts alike');
    expect(part.logSumExp.type === (output.type === 'float64' ? 'float64' : 'float32'), 'the type of sums');
    expect(sameDims(part.logSumExp.dims, output.dims.slice(0, -1)), 'sums that fit');
  }
  const [, heads, ...steps] = logSumExp.dims;
  if (given.sinks !== undefined) expect(heads !== undefined, 'heads of sinks');
  const sinks = given.sinks === undefined ? undefined : numbers(given.sinks, heads);
  const rowsPerHead = steps.reduce((product, length) => product * length, 1);
  const width = output.dims.at(-1) ?? 0;
  const joint: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < logSumExp.values.length; row++) {
    const logs = parts.map((part) => part.logSumExp.values[row]);
    const sink = sinks?.[Math.floor(row / rowsPerHead) % heads] ?? -Infinity;
    const top = Math.max(sink, ...logs);
    const sum = top === -Infinity ? 0 : [sink, ...logs].reduce((all, log) => all + Math.exp(log - top), 0);
    joint.push(sum === 0 ? -Infinity : top + Math.log(sum));
    for (let w = 0; w < width; w++) {
      const shares = parts.map((part, p) =>
        logs[p] === -Infinity ? 0 : (Math.exp(logs[p] - top) / sum) * part.output.values[row * width + w],
      );
      values.push(shares.reduce((total, share) => total + share, 0));
    }
  }
  // Infinite sums and outputs leave no meaningful share.
  const loose = parts.some((part) =>
    [...part.output.values, ...part.logSumExp.values].some((v) => !Number.isFinite(v)),
  );
  return {
    output: { type: output.type, dims: output.dims, values, loose },
    logSumExp: { type: logSumExp.type, dims: logSumExp.dims, values: joint, loose },
  };
}

const single = (result: unknown) => ({ output: result });
const all = (result: unknown) => result as Record<string, unknown>;

/** Every public form of attention on one backend. */
export function attentionTargets(draw: Draw, backend: string): Target[] {
  const dense = {
    arguments: () => denseArguments(draw, backend).args,
    model: outputOnly(attentionModel),
    results: single,
  };
  const details = {
    arguments: () => detailsArguments(draw, backend),
    model: attentionDetailsModel,
    results: all,
  };
  const packed = {
    arguments: () => packedArguments(draw, backend),
    model: outputOnly(packedAttentionModel),
    results: single,
  };
  const packedDetails = {
    arguments: () => packedDetailsArguments(draw, backend),
    model: packedDetailsModel,
    results: flattened,
  };
  const merged = { arguments: () => mergeArguments(draw, backend), model: mergeModel, results: all };
  return [
    { name: 'attention', call: (args) => loosely(attention)(...args), ...dense },
    { name: 'attentionSync', call: (args) => loosely(attentionSync)(...args), ...dense },
    { name: 'attentionDetails', call: (args) => loosely(attentionDetails)(...args), ...details },
    { name: 'attentionDetailsSync', call: (args) => loosely(attentionDetailsSync)(...args), ...details },
    { name: 'packedAttention', call: (args) => loosely(packedAttention)(...args), ...packed },
    { name: 'packedAttentionSync', call: (args) => loosely(packedAttentionSync)(...args), ...packed },
    {
      name: 'packedAttentionDetails',
      call: (args) => loosely(packedAttentionDetails)(...args),
      ...packedDetails,
    },
    {
      name: 'packedAttentionDetailsSync',
      call: (args) => loosely(packedAttentionDetailsSync)(...args),
      ...packedDetails,
    },
    { name: 'mergeAttention', call: (args) => loosely(mergeAttention)(...args), ...merged },
    { name: 'mergeAttentionSync', call: (args) => loosely(mergeAttentionSync)(...args), ...merged },
  ];
}

function outputOnly(model: (args: readonly unknown[]) => Expected): Target['model'] {
  return (args) => ({ output: model(args) });
}
