/**
 * Tests caches that change while arguments are read: a getter of the caller appends, truncates, forks or
 * disposes before it returns.
 */
import assert from 'node:assert/strict';
import type { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { backendsAtHand, type TestedBackend } from '../support/backends.js';
import type { Expected } from './attention-model.js';
import {
  type CacheMethod,
  cachedAttentionTargets,
  cacheMethods,
  callMethod,
  type Kept,
  keptCache,
  show,
  shown,
} from './cache-calls.js';
import { type Holding, holdingOf, remember } from './cache-model.js';
import { drawFrom } from './draw.js';
import { type Draw, pick } from './hostile-values.js';
import { layerTargets } from './layer-calls.js';
import { meddling } from './mutate.js';
import { differences, isGoodError, type Target } from './outcome.js';
import { Invalid } from './tensor-model.js';

const rounds = 100;

/** Changes a cache a few times and returns its contents afterwards: none once it is disposed. */
function meddleWith({ cache, holding }: Kept, draw: Draw): Holding | undefined {
  let now = holding;
  for (let i = 1 + draw.below(4); i > 0; i--) {
    if (draw.below(8) === 0) {
      cache.dispose();
      return undefined;
    }
    const method = pick(draw, cacheMethods);
    const args = method.arguments(draw, now);
    const result = callMethod(cache, method, args);
    if (result === cache) now = method.model(now, args);
    else result.dispose();
  }
  return now;
}

/** The differences from the model's result, or none if the model rejects the arguments. */
function compare(
  results: Record<string, unknown>,
  model: () => Record<string, Expected>,
): string | undefined {
  try {
    return differences(results, model()).join('; ');
  } catch (error) {
    if (error instanceof Invalid) return `accepted, but needs ${error.message}`;
    throw error;
  }
}

/**
 * The cache is changed, or the call rejected, according to its contents after all arguments have been read.
 */
function callWhileMeddling(method: CacheMethod, backend: TestedBackend, draw: Draw): void {
  const kept = keptCache(draw, backend);
  let holding: Holding | undefined = kept.holding;
  const given = method.arguments(draw, kept.holding);
  const { args, description } = meddling(given, draw, () => {
    holding = meddleWith(kept, draw);
  });
  let result: KeyValueCache | undefined;
  try {
    result = callMethod(kept.cache, method, args);
  } catch (error) {
    assert.ok(isGoodError(error), error as Error);
  }
  if (holding === undefined) {
    assert.equal(result, undefined, `${method.name} of a disposed cache, ${description}`);
    return;
  }
  const left = holding;
  const wrong = result
    ? compare(show(result, backend), () => shown(method.model(left, given)))
    : compare(show(kept.cache, backend), () => shown(left));
  assert.equal(wrong, '', `${method.name}, ${description}`);
}

/** Attention may use the contents at the start or those after all arguments have been read. */
async function attendWhileMeddling({ arguments: draw, ...target }: Target, random: Draw): Promise<void> {
  const given = draw();
  const cache = given[1] as KeyValueCache;
  const before = holdingOf(cache);
  let after: Holding | undefined = before;
  const { args, description } = meddling(given, random, () => {
    after = meddleWith({ cache, holding: before }, random);
  });
  let result: unknown;
  try {
    result = await target.call(args);
  } catch (error) {
    assert.ok(isGoodError(error), error as Error);
    return;
  }
  const complaints = [before, after].flatMap((holding) => {
    if (holding === undefined) return [];
    remember(cache, holding);
    return [compare(target.results(result), () => target.model(given))];
  });
  assert.ok(complaints.includes(''), `${target.name}, ${description}: ${complaints.join(' / ')}`);
}

/** New steps follow the contents after all arguments have been read, or are not appended. */
async function forwardWhileMeddling(target: Target, backend: TestedBackend, random: Draw): Promise<void> {
  const given = target.arguments();
  const { cache } = given[3] as { cache?: KeyValueCache };
  if (cache === undefined) return;
  const before = holdingOf(cache);
  let after: Holding | undefined = before;
  const { args, description } = meddling(given, random, () => {
    after = meddleWith({ cache, holding: before }, random);
  });
  const what = `${target.name}, ${description}`;
  let result: unknown;
  try {
    result = await target.call(args);
  } catch (error) {
    assert.ok(isGoodError(error), error as Error);
    const left = after;
    if (left) assert.deepEqual(differences(show(cache, backend), shown(left)), [], what);
    return;
  }
  assert.ok(after, `${what}: accepted a disposed cache`);
  remember(cache, after);
  assert.equal(
    compare(target.results(result), () => target.model(given)),
    '',
    what,
  );
}

describe('caches that change while arguments are read', () => {
  for (const backend of backendsAtHand()) {
    for (const method of cacheMethods) {
      it(`still are what they have to be, by ${method.name} on ${backend}`, () => {
        const draw = drawFrom(`changing ${method.name} ${backend}`);
        for (let round = 0; round < rounds; round++) callWhileMeddling(method, backend, draw);
      });
    }
    const layers = (draw: Draw) =>
      layerTargets(draw, backend).filter((each) => each.name.startsWith('MultiHeadAttention'));
    for (const { name } of layers(drawFrom('names'))) {
      it(`get new steps or get none, by ${name} on ${backend}`, async () => {
        const draw = drawFrom(`changing ${name} ${backend}`);
        const target = layers(draw).find((each) => each.name === name);
        assert.ok(target);
        // Only a few of the calls have a cache.
        for (let round = 0; round < 8 * rounds; round++) await forwardWhileMeddling(target, backend, draw);
      });
    }
    for (const { name } of cachedAttentionTargets(drawFrom('names'), backend)) {
      it(`are attended as they were or as they are, ${name}, on ${backend}`, async () => {
        const draw = drawFrom(`changing ${name} ${backend}`);
        const target = cachedAttentionTargets(draw, backend).find((each) => each.name === name);
        assert.ok(target);
        for (let round = 0; round < rounds; round++) await attendWhileMeddling(target, draw);
      });
    }
  }
});
