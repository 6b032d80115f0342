/** Calls attention with wrong arguments: a HeedError must say what was expected, before any work starts. */
import assert from 'node:assert/strict';
import { attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import { HeedError } from '../../lib/errors.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { randomInputs } from './attention.js';
import { Random } from './random.js';

/** Replacements for arguments: query, key and value by name; anything else is an option. */
type Replacement = Record<string, unknown>;

export type Refusal = readonly [title: string, change: Replacement, code: string, message: RegExp];

/** Calls that plain JavaScript can make although TypeScript forbids them. */
type Untyped = (...args: readonly unknown[]) => unknown;

/** Query [2, 4, 9, 16], key [2, 2, 13, 16], value [2, 2, 13, 5]. */
export const goodInputs = randomInputs(new Random('wrong arguments'), { keyHeads: 2, valueWidth: 5 });

export function zeros(...dims: number[]): Tensor {
  return Tensor.zeros('float32', dims);
}

function call(change: Replacement, details: boolean): () => unknown {
  const { query, key, value, ...others } = { ...goodInputs, ...change };
  const options = { backend: 'reference', ...(details && { include: [] }), ...others };
  const run = (details ? attentionDetailsSync : attentionSync) as Untyped;
  return () => run(query, key, value, 'options' in change ? change.options : options);
}

function expectRefusal([, change, code, message]: Refusal, details: boolean): void {
  const out = zeros(2, 4, 9, 5);
  assert.throws(call('options' in change ? change : { out, ...change }, details), (error) => {
    assert.ok(error instanceof HeedError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
  assert.ok(
    out.data.every((element: number | bigint) => element === 0),
    'the output was written',
  );
}

/** One test per rejection, with attentionSync and attentionDetailsSync, or with the latter alone. */
export function describeRefusals(
  title: string,
  refusals: readonly Refusal[],
  by: 'both' | 'attention' | 'details' = 'both',
): void {
  describe(title, () => {
    for (const refusal of refusals) {
      it(refusal[0], () => {
        if (by !== 'details') expectRefusal(refusal, false);
        if (by !== 'attention') expectRefusal(refusal, true);
      });
    }
  });
}
