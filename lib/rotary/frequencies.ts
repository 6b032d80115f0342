/** Rotary frequencies, in radians per position, one for each pair of elements. */
import type { Scaling } from './scaling.js';

type Scheme<Type extends Scaling['type']> = Extract<Scaling, { type: Type }>;

/** θ^(−2i / dims) */
function unscaled(theta: number, dims: number): Float64Array {
  return Float64Array.from({ length: dims / 2 }, (_, pair) => theta ** ((-2 * pair) / dims));
}

/** The frequencies of a sequence of this length, which only 'dynamic' depends on. */
export function frequencies(
  theta: number,
  dims: number,
  scaling: Scaling | undefined,
  length: number,
): Float64Array {
  switch (scaling?.type) {
    case undefined:
      return unscaled(theta, dims);
    case 'linear':
      return unscaled(theta, dims).map((frequency) => frequency / scaling.factor);
    case 'dynamic':
      return unscaled(dynamicTheta(theta, dims, scaling, length), dims);
    case 'yarn':
      return yarn(theta, dims, scaling);
    case 'llama3':
      return unscaled(theta, dims).map((frequency) => llama3(frequency, scaling));
  }
}

function dynamicTheta(theta: number, dims: number, scaling: Scheme<'dynamic'>, length: number): number {
  const { factor, originalMaxPositionEmbeddings: original } = scaling;
  // A single pair has frequency 1 whatever θ is, and no exponent.
  if (length <= original || dims === 2) return theta;
  return theta * ((factor * length) / original - (factor - 1)) ** (dims / (dims - 2));
}

function yarn(theta: number, dims: number, scaling: Scheme<'yarn'>): Float64Array {
  const { factor, originalMaxPositionEmbeddings: original, betaFast, betaSlow, truncate } = scaling;
  const pairOfTurns = (turns: number) =>
    (dims * Math.log(original / (2 * Math.PI * turns))) / (2 * Math.log(theta));
  const first = pairOfTurns(betaFast);
  const last = pairOfTurns(betaSlow);
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, dims - 1);
  // As in the authors' code: a ramp of no length would divide by 0.
  const length = low === high ? 0.001 : high - low;
  return unscaled(theta, dims).map((frequency, pair) => {
    const interpolated = Math.min(Math.max((pair - low) / length, 0), 1);
    return frequency * (1 - interpolated) + (frequency / factor) * interpolated;
  });
}

function llama3(frequency: number, scaling: Scheme<'llama3'>): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original } = scaling;
  const turns = (original * frequency) / (2 * Math.PI);
  const kept = Math.min(Math.max((turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor), 0), 1);
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

/** What cosines and sines are multiplied by. */
export function amplitude(scaling: Scaling | undefined): number {
  return scaling?.type === 'yarn' ? scaling.attentionFactor : 1;
}

/** Up to this length the frequencies are those of length 0. */
export function lengthsAlike(scaling: Scaling | undefined): number {
  return scaling?.type === 'dynamic' ? scaling.originalMaxPositionEmbeddings : Number.POSITIVE_INFINITY;
}
