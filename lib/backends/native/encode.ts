/** Problems, kind by kind, as the numbers and buffers that cross to the addon: see native/addon/wire/format.h. */
import { isPacked } from '../../problem/accesses.js';
import {
  type AppendProblem,
  type AttentionProblem,
  activations,
  type CastProblem,
  type Choices,
  type EmbeddingProblem,
  type Epilogue,
  type HeadMatrix,
  type HeadNorm,
  type HeadRotation,
  type HeadsProblem,
  headNumbers,
  type MaskView,
  type MergeProblem,
  type NormProblem,
  type Pages,
  type PoolingProblem,
  type Problem,
  type ProjectionProblem,
  poolingTypes,
  type Rotation,
  type RowsProblem,
  type SampleProblem,
  type ScoreForm,
  type SelectionForm,
} from '../../problem/problem.js';
import { type Encoded, type Encoder, typeNumber } from './encoder.js';
import { externalOf } from './packed-panels.js';

function encodeMask(to: Encoder, mask: MaskView): void {
  to.typed(mask);
  to.numbers(mask.batchStride, mask.headStride, mask.queryStride, mask.keyStride);
}

function encodeMatrix(to: Encoder, matrix: HeadMatrix): void {
  to.typed(matrix);
  to.number(matrix.headStride);
}

const scoreKinds = ['product', 'cosine', 'general', 'location', 'additive'] as const;

function encodeScore(to: Encoder, score: ScoreForm): void {
  to.number(scoreKinds.indexOf(score.kind));
  if (score.kind === 'general') encodeMatrix(to, score.weight);
  if (score.kind === 'additive') {
    to.number(score.hidden);
    encodeMatrix(to, score.query);
    encodeMatrix(to, score.key);
    encodeMatrix(to, score.vector);
  }
}

const selectionKinds = ['soft', 'hard', 'drawn', 'local'] as const;

function encodeSelection(to: Encoder, selection: SelectionForm): void {
  to.number(selectionKinds.indexOf(selection.kind));
  if (selection.kind === 'drawn') to.number(selection.seed);
  if (selection.kind === 'local') {
    const { centers, halfWidth } = selection;
    to.typed(centers);
    to.numbers(centers.batchStride, centers.headStride, centers.queryStride, halfWidth);
  }
}

function encodeChoices(to: Encoder, choices: Choices): void {
  to.buffer(choices.data);
  to.numbers(choices.start, choices.batchStride, choices.headStride);
}

/** If positions replace keys, the values' pages replace the keys'. */
function encodePages(to: Encoder, keys: Pages | undefined, values: Pages | undefined, entries: number): void {
  if (values === undefined) {
    to.number(-1);
    return;
  }
  const { slabs, scales, outliers, stride, lists } = keys ?? values;
  to.numbers(values.steps, values.perSlab, stride, values.stride);
  to.number(slabs.length);
  for (const [i, slab] of slabs.entries()) {
    to.buffer(slab);
    to.buffer(values.slabs[i]);
    to.optionalBuffer(scales?.[i]);
    to.optionalBuffer(values.scales?.[i]);
    to.optionalBuffer(outliers?.[i]);
  }
  for (let entry = 0; entry < entries; entry++) to.pageList(lists[entry]);
}

function encodeAttention(to: Encoder, problem: AttentionProblem): void {
  const { queryHeads, keyHeads, width, queryWidth = width, valueWidth } = problem;
  to.numbers(queryHeads, keyHeads, width, queryWidth, valueWidth);
  const { scoring } = problem;
  to.numbers(scoring.scale, scoring.softcap, scoring.window.left, scoring.window.right);
  to.view(problem.query);
  to.view(problem.key);
  to.view(problem.value);
  to.view(problem.output);
  to.optional(problem.logSumExp, (_, view) => to.view(view));
  to.number(problem.sequences.length);
  for (const { queryStart, querySteps, keyStart, keySteps, queryOffset } of problem.sequences) {
    to.numbers(queryStart, querySteps, keyStart, keySteps, queryOffset);
  }
  encodePages(to, problem.key.pages, problem.value.pages, problem.sequences.length);
  encodeScore(to, scoring.score);
  to.optional(scoring.mask, encodeMask);
  for (const list of headNumbers) to.list(scoring[list]);
  to.number(scoring.alibiDistance === 'absolute' ? 1 : 0);
  encodeSelection(to, scoring.select);
  to.optional(problem.choices, encodeChoices);
}

function encodeRows(to: Encoder, problem: RowsProblem): void {
  encodeAttention(to, problem.attention);
  to.number(problem.keys);
  to.list(problem.heads);
  to.list(problem.queries);
  to.optionalBuffer(problem.scores);
  to.optionalBuffer(problem.cappedScores);
  to.optionalBuffer(problem.biasedScores);
  to.optionalBuffer(problem.weights);
}

function encodeNorm(to: Encoder, norm: HeadNorm): void {
  to.buffer(norm.weight);
  to.optionalBuffer(norm.bias);
  to.numbers(norm.heads, norm.centered ? 1 : 0, norm.shared ? 1 : 0, norm.epsilon);
}

function encodeRotation(to: Encoder, rotation: Rotation): void {
  to.numbers(rotation.width, rotation.interleaved ? 1 : 0, rotation.rows);
  to.buffer(rotation.cos);
  to.buffer(rotation.sin);
}

function encodeEpilogue(to: Encoder, { activation, gated, softcap = 0, residual }: Epilogue): void {
  to.numbers(activation === undefined ? 0 : activations.indexOf(activation) + 1, gated ? 1 : 0, softcap);
  to.optionalBuffer(residual);
}

function encodeProjection(to: Encoder, problem: ProjectionProblem): void {
  to.numbers(problem.rows, problem.steps, problem.inner, problem.columns);
  to.typed(problem.input);
  if (isPacked(problem.weight)) {
    to.buffer(externalOf(problem.weight));
    to.number(-1);
  } else {
    to.typed(problem.weight);
  }
  to.list(problem.bias);
  encodeEpilogue(to, problem.epilogue ?? {});
  to.number(problem.targets.length);
  for (const target of problem.targets) {
    to.numbers(target.firstColumn, target.columns, target.headWidth);
    to.view(target.view);
    to.optional(target.norm, encodeNorm);
    to.optional(target.rotation, encodeRotation);
  }
}

function encodeMerge(to: Encoder, problem: MergeProblem): void {
  to.numbers(problem.rows, problem.width, typeNumber(problem.type));
  to.number(problem.parts.length);
  for (const part of problem.parts) {
    to.buffer(part.output);
    to.buffer(part.logSumExp);
  }
  to.buffer(problem.output);
  to.buffer(problem.logSumExp);
  to.list(problem.sinks);
  to.number(problem.rowsPerHead);
}

function encodeAppend(to: Encoder, problem: AppendProblem): void {
  to.numbers(problem.heads, problem.width, problem.valueWidth);
  to.view(problem.key);
  to.view(problem.value);
  to.view(problem.cachedKey);
  to.view(problem.cachedValue);
  to.number(problem.entries);
  to.number(problem.parts.length);
  for (const { entry, start, steps, position } of problem.parts) to.numbers(entry, start, steps, position);
  encodePages(to, problem.cachedKey.pages, problem.cachedValue.pages, problem.entries);
}

function encodeCast(to: Encoder, problem: CastProblem): void {
  to.number(problem.count);
  to.typed(problem.from);
  to.typed(problem.to);
}

function encodeHeadRotation(to: Encoder, rotation: HeadRotation): void {
  to.numbers(rotation.pairs, rotation.interleaved ? 1 : 0, rotation.rows);
  to.buffer(rotation.cos);
  to.buffer(rotation.sin);
  to.list(rotation.positions);
}

function encodeHeads(to: Encoder, problem: HeadsProblem): void {
  to.numbers(problem.batch, problem.heads, problem.steps, problem.width);
  to.view(problem.from);
  to.number(problem.fromStart);
  to.view(problem.to);
  to.optional(problem.bias, (_, { data, start }) => {
    to.buffer(data);
    to.number(start);
  });
  to.optional(problem.rotation, encodeHeadRotation);
}

function encodeRowNorm(to: Encoder, problem: NormProblem): void {
  to.numbers(problem.rows, problem.width, typeNumber(problem.type));
  to.buffer(problem.input);
  to.optionalBuffer(problem.residual);
  to.optionalBuffer(problem.sum);
  to.optionalBuffer(problem.addend);
  to.buffer(problem.output);
  to.typed(problem.weight);
  to.optional(problem.bias, (_, bias) => to.typed(bias));
  to.numbers(problem.offset, problem.epsilon, problem.centered ? 1 : 0);
}

function encodeSample(to: Encoder, problem: SampleProblem): void {
  to.number(problem.vocabulary);
  to.typed(problem.logits);
  to.buffer(problem.tokens);
  to.number(problem.rows.length);
  for (const { temperature, topK, topP, minP, repetitionPenalty, seed, previous } of problem.rows) {
    to.numbers(temperature, topK, topP, minP, repetitionPenalty, seed);
    to.list(previous);
  }
}

function encodeEmbedding(to: Encoder, problem: EmbeddingProblem): void {
  to.numbers(problem.width, typeNumber(problem.type), problem.scale);
  to.buffer(problem.output);
  to.number(problem.tables.length);
  for (const { data, length, ids } of problem.tables) {
    to.buffer(data);
    to.number(length);
    to.list(ids);
  }
}

function encodePooling(to: Encoder, problem: PoolingProblem): void {
  to.numbers(problem.width, typeNumber(problem.type));
  to.buffer(problem.input);
  to.buffer(problem.output);
  to.numbers(poolingTypes.indexOf(problem.pooling), problem.normalised ? 1 : 0);
  to.list(problem.starts);
}

const kinds = [
  'attention',
  'rows',
  'projection',
  'merge',
  'append',
  'cast',
  'heads',
  'norm',
  'sample',
  'embedding',
  'pooling',
] as const;

function encodeProblem(to: Encoder, problem: Problem): void {
  to.number(kinds.indexOf(problem.kind));
  switch (problem.kind) {
    case 'attention':
      encodeAttention(to, problem);
      break;
    case 'rows':
      encodeRows(to, problem);
      break;
    case 'projection':
      encodeProjection(to, problem);
      break;
    case 'merge':
      encodeMerge(to, problem);
      break;
    case 'append':
      encodeAppend(to, problem);
      break;
    case 'cast':
      encodeCast(to, problem);
      break;
    case 'heads':
      encodeHeads(to, problem);
      break;
    case 'norm':
      encodeRowNorm(to, problem);
      break;
    case 'sample':
      encodeSample(to, problem);
      break;
    case 'embedding':
      encodeEmbedding(to, problem);
      break;
    case 'pooling':
      encodePooling(to, problem);
      break;
  }
}

export function encode(to: Encoder, problems: readonly Problem[]): Encoded {
  to.reset();
  to.number(problems.length);
  for (const problem of problems) encodeProblem(to, problem);
  return to.take();
}
