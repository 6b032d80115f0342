/** Heads, widths and steps of attention, and what they have to be. */
import { HeedError } from '../errors.js';
import { widestHead } from '../problem/problem.js';
import { checkScore, type ScoreArgument, type ScoredNames } from './score.js';

export interface AttentionShape {
  readonly batch: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly querySteps: number;
  readonly keySteps: number;
  /** Of queries. */
  readonly width: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
}

const mostHeads = 2 ** 31 - 1;

export function expectWidth(width: number, name: string): void {
  if (width < 1 || width > widestHead) {
    throw new HeedError(
      'HEED_INVALID_DIMS',
      `Expected ${name} to be from 1 to ${widestHead}, received ${width}`,
    );
  }
}

/** Heads, widths and the score's weights, which are checked alike whatever the layout; the names say where they came from. */
export function checkShape(
  shape: AttentionShape,
  score: ScoreArgument,
  names: ScoredNames & { readonly valueWidth: string },
): void {
  expectWidth(shape.width, names.queryWidth);
  expectWidth(shape.valueWidth, names.valueWidth);
  if (shape.keyHeads < 1) {
    throw new HeedError('HEED_INVALID_DIMS', `Expected ${names.keyHeads} to be at least 1, received 0`);
  }
  // Tensors without elements may claim any number.
  if (shape.queryHeads > mostHeads) {
    throw new HeedError(
      'HEED_INVALID_DIMS',
      `Expected ${names.queryHeads} to be at most ${mostHeads}, received ${shape.queryHeads}`,
    );
  }
  if (shape.queryHeads < 1 || shape.queryHeads % shape.keyHeads !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${names.queryHeads} to be a multiple of ${names.keyHeads} (${shape.keyHeads}), received ${shape.queryHeads}`,
    );
  }
  checkScore(score, shape, names);
  expectWidth(shape.keyWidth, names.keyWidth);
}
