/** Problems, kind by kind, as the numbers and buffers that cross to the addon: see native/addon/decode.h. */
import type {
  AttentionProblem,
  MaskView,
  MergeProblem,
  Problem,
  ProjectionProblem,
  RowsProblem,
} from '../problem.js';
import { type Encoder, typeNumber } from './encoder.js';
import { externalOf, isPacked } from './packed-panels.js';

/** Kernels know no float64: such a mask crosses in float32, which is what scores are computed in. */
function inFloat32(mask: MaskView): MaskView {
  if (mask.type !== 'float64' || !(mask.data instanceof Float64Array)) return mask;
  return { ...mask, type: 'float32', data: new Float32Array(mask.data) };
}

function encodeMask(to: Encoder, given: MaskView | undefined): void {
  if (given === undefined) {
    to.number(-1);
    return;
  }
  const mask = inFloat32(given);
  to.typed(mask);
  to.number(mask.batchStride);
  to.number(mask.headStride);
  to.number(mask.queryStride);
  to.number(mask.keyStride);
}

function encodeAttention(to: Encoder, problem: AttentionProblem): void {
  to.number(problem.queryHeads);
  to.number(problem.keyHeads);
  to.number(problem.width);
  to.number(problem.valueWidth);
  to.number(problem.scale);
  to.number(problem.softcap);
  to.number(problem.causal ? 1 : 0);
  to.number(problem.windowLeft);
  to.number(problem.windowRight);
  to.view(problem.query);
  to.view(problem.key);
  to.view(problem.value);
  to.view(problem.output);
  if (problem.logSumExp === undefined) to.number(-1);
  else to.view(problem.logSumExp);
  to.number(problem.sequences.length);
  for (const sequence of problem.sequences) {
    to.number(sequence.queryStart);
    to.number(sequence.querySteps);
    to.number(sequence.keyStart);
    to.number(sequence.keySteps);
    to.number(sequence.queryOffset);
  }
  encodeMask(to, problem.mask);
  to.list(problem.alibiSlopes);
  to.list(problem.sinks);
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

function encodeProjection(to: Encoder, problem: ProjectionProblem): void {
  to.number(problem.rows);
  to.number(problem.steps);
  to.number(problem.inner);
  to.number(problem.columns);
  to.typed(problem.input);
  if (isPacked(problem.weight)) {
    to.buffer(externalOf(problem.weight));
    to.number(-1);
  } else {
    to.typed(problem.weight);
  }
  to.list(problem.bias);
  to.number(problem.targets.length);
  for (const target of problem.targets) {
    to.number(target.firstColumn);
    to.number(target.columns);
    to.number(target.headWidth);
    to.view(target.view);
  }
}

function encodeMerge(to: Encoder, problem: MergeProblem): void {
  to.number(problem.rows);
  to.number(problem.width);
  to.number(typeNumber(problem.type));
  to.number(problem.parts.length);
  for (const part of problem.parts) {
    to.buffer(part.output);
    to.buffer(part.logSumExp);
  }
  to.buffer(problem.output);
  to.buffer(problem.logSumExp);
}

const kinds = ['attention', 'unfused', 'rows', 'projection', 'merge'] as const;

function encodeProblem(to: Encoder, problem: Problem): void {
  to.number(kinds.indexOf(problem.kind));
  switch (problem.kind) {
    case 'attention':
      encodeAttention(to, problem);
      break;
    case 'unfused':
      encodeAttention(to, problem.attention);
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
  }
}

export function encode(to: Encoder, problems: readonly Problem[]): void {
  to.reset();
  to.number(problems.length);
  for (const problem of problems) encodeProblem(to, problem);
}
