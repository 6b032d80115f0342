/** The forms of blocks, and which norms each has. */
import type { Backend } from '../backends/backend.js';
import type { OptionValues } from '../checks/options.js';
import { invalid } from '../checks/values.js';
import { type NormSettings, ownNorm, type RowNorm, readNorm } from './norms.js';

/** Where a block has its norms, and what its feed-forward network reads: see {@link TransformerBlockOptions.form}. */
export type BlockForm = 'pre-norm' | 'post-norm' | 'sandwich' | 'parallel';

export const normNames = [
  'attentionNorm',
  'attentionOutputNorm',
  'feedForwardNorm',
  'feedForwardOutputNorm',
] as const;
type NormName = (typeof normNames)[number];

const plainNorms: readonly NormName[] = ['attentionNorm', 'feedForwardNorm'];

const normsOf: Readonly<Record<BlockForm, readonly NormName[]>> = {
  'pre-norm': plainNorms,
  'post-norm': plainNorms,
  sandwich: normNames,
  parallel: plainNorms,
};

export const blockForms = Object.keys(normsOf) as BlockForm[];

/** Undefined where rows stay as they are. */
export type BlockNorms = { readonly [Name in NormName]?: RowNorm | undefined };

export function readNorms(
  values: OptionValues<NormName>,
  form: BlockForm,
  settings: NormSettings,
  embed: number,
  backend: Backend,
): { norms: BlockNorms; parameters: number } {
  for (const name of normNames) {
    if (values[name] === undefined || normsOf[form].includes(name)) continue;
    throw invalid(`parts.${name}`, `left out in the form '${form}'`, values[name]);
  }
  const read = normNames.map((name) => readNorm(values[name], `parts.${name}`, embed, backend));
  const norms = read.map((norm) => norm && ownNorm(norm, settings, backend));
  return {
    norms: Object.fromEntries(normNames.map((name, i) => [name, norms[i]])),
    parameters: read.reduce((sum, norm) => sum + (norm ? embed * (norm.bias ? 2 : 1) : 0), 0),
  };
}
