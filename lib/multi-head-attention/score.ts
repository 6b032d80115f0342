/** The score weights and centers of a layer, copied like everything that a layer keeps. */

import { roundedTo, type ScoreArgument, weightsOf, withWeights } from '../attention/score-argument.js';
import type { SelectionArgument } from '../attention/selection-argument.js';
import { copyData } from '../checks/data.js';
import { hostDataOf } from '../checks/tensor.js';
import type { FloatType } from '../tensor/types.js';

/** The score over memory of the layer's own; the positions of a location score in the type of its keys. */
export function ownScore(score: ScoreArgument, type: FloatType): ScoreArgument {
  return withWeights(score, (weight) => {
    if (score.kind === 'location' && weight.type !== type) {
      return { ...weight, type, data: roundedTo(type, weight) };
    }
    return { ...weight, data: copyData(hostDataOf(weight), weight.type, weight.name) };
  });
}

/** The selection over memory of the layer's own. */
export function ownSelection(select: SelectionArgument): SelectionArgument {
  if (select.kind !== 'local') return select;
  const { centers } = select;
  return {
    ...select,
    centers: { ...centers, data: copyData(hostDataOf(centers), centers.type, centers.name) },
  };
}

/** The number of parameters of the score. */
export function countScoreParameters(score: ScoreArgument): number {
  return weightsOf(score).reduce((count, { size }) => count + size, 0);
}
