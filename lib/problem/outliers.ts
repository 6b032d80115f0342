/**
 * Outlier channels of int8 keys: channels that are often many times as large as all others. One such channel would set the
 * scale of every row and leave few multiples for the rest, so its numbers are stored divided by 16 or by 64.
 * `native/core/outliers.h` says the same.
 *
 * A row finds its own outliers, in addition to those of the row before it, so that a decoder can append step by step: what is
 * stored of a step depends on the steps before it, not on how they came. Each block of steps of a page has, for each channel,
 * the row from which it is divided by 16, and the row from which it is divided by 64. A row that was stored never changes, and
 * neither do the outliers that it was stored with: later rows only add to them. A block begins with those that the block before
 * it needed.
 */

/** Steps of a block. */
export const outlierBlock = 128;

/** By what the numbers of a channel are divided, by its level: how often it was found to be an outlier. */
export const outlierFactors = [1, 16, 64] as const;

/** Stands for the row of a block from which a channel is an outlier, where it never is. */
export const neverOutlier = 255;

/** From one level to the next of a block, in bytes. */
export function outlierPitch(width: number): number {
  return Math.ceil(width / 16) * 16;
}

/** The bytes of the first steps of one head of a page: [blocks, 2, pitch]. None where rows are too narrow for one to stand out. */
export function outlierBytes(width: number, steps: number): number {
  return width < 16 ? 0 : Math.ceil(steps / outlierBlock) * 2 * outlierPitch(width);
}

/** How often a channel was found to be an outlier, in a row of a block. */
export function outlierLevel(outliers: Uint8Array, width: number, row: number, channel: number): 0 | 1 | 2 {
  if (row >= outliers[outlierPitch(width) + channel]) return 2;
  return row >= outliers[channel] ? 1 : 0;
}
