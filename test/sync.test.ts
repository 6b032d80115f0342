/**
 * Tests that both forms of every operation, asynchronous and synchronous, give the same bits and the same
 * errors.
 */
import assert from 'node:assert/strict';
import * as heed from '../lib/index.js';
import * as onnx from '../lib/onnx.js';
import { Tensor } from '../lib/tensor/tensor.js';
import type { Location } from '../lib/tensor/types.js';
import { randomWeights } from './multi-head-attention/random-layer.js';
import { randomInputs } from './support/attention.js';
import { eachBackend, locationOf, type TestedBackend } from './support/backends.js';
import { expectSameBits } from './support/compare.js';
import { Random } from './support/random.js';
import { rejectsHeed, throwsHeed } from './support/rejects.js';

/** Calls that plain JavaScript can make although TypeScript forbids them. */
type Loosely = (...args: readonly unknown[]) => unknown;

interface Forms {
  readonly promised: Loosely;
  readonly sync: Loosely;
  /** New arguments on each call; the last are the options. */
  draw(random: Random): unknown[];
  /** ONNX operators take no signal, and only tensors in CPU memory. */
  readonly operator?: true;
  readonly refusedOn?: 'cuda';
}

/** Every operation with two forms, by the name of the asynchronous one. */
function formsOn(backend: TestedBackend, random: Random): Record<string, Forms> {
  const weights = randomWeights(random);
  // Created for each call: a packed weight keeps the instruction set that it was packed for.
  const layer = () => new heed.MultiHeadAttention(weights, { heads: 4, causal: true, backend });
  const pair = (owner: object | (() => object), name: string, draw: Forms['draw']): Record<string, Forms> => {
    const call =
      (form: string): Loosely =>
      (...args) => {
        const object = typeof owner === 'function' ? owner() : owner;
        return (object as Record<string, Loosely>)[form](...args);
      };
    return { [name]: { promised: call(name), sync: call(`${name}Sync`), draw } };
  };
  const operator = (name: string, draw: Forms['draw']): Record<string, Forms> => ({
    [`onnx ${name}`]: { ...pair(onnx, name, draw)[name], operator: true },
  });
  const elsewhere = (name: string, draw: Forms['draw']): Record<string, Forms> => ({
    [name]: { ...pair(heed, name, draw)[name], refusedOn: 'cuda' },
  });
  const forward = (title: string, owner: () => object, draw: Forms['draw']): Record<string, Forms> => ({
    [`${title} forward`]: { ...pair(owner, 'forward', draw).forward, refusedOn: 'cuda' },
  });
  const linear = (out: number, inner: number) => ({ weight: random.tensor('float32', [out, inner], 0.2) });
  const maps = { gate: linear(40, 24), up: linear(40, 24), down: linear(24, 40) };
  const network = () => new heed.FeedForward(maps, { activation: 'silu', backend });
  const block = () => new heed.TransformerBlock({ attention: layer(), feedForward: network() });
  const dense = (drawn: Random) => {
    const { query, key, value } = randomInputs(drawn, { keyHeads: 2, valueWidth: 5 });
    return [query, key, value];
  };
  return {
    ...pair(heed, 'attention', (drawn) => [...dense(drawn), { backend, causal: true }]),
    ...pair(heed, 'attentionDetails', (drawn) => [
      ...dense(drawn),
      { backend, include: ['logSumExp', 'weights', 'scores'], rows: { queries: [3, 1] } },
    ]),
    ...pair(heed, 'packedAttention', (drawn) => [
      ...[4, 2, 2].map((heads) => drawn.tensor('float32', [11, heads, 8])),
      { backend, queryStarts: [0, 4, 4, 11], causal: true },
    ]),
    ...pair(heed, 'packedAttentionDetails', (drawn) => [
      ...[4, 2, 2].map((heads) => drawn.tensor('float32', [11, heads, 8])),
      { backend, queryStarts: [0, 4, 4, 11], include: ['logSumExp', 'weights'] },
    ]),
    ...pair(heed, 'mergeAttention', (drawn) => [
      Array.from({ length: 3 }, () => ({
        output: drawn.tensor('float32', [2, 3, 5]),
        logSumExp: drawn.tensor('float32', [2, 3]),
      })),
      { backend },
    ]),
    ...pair(heed, 'project', (drawn) => [
      drawn.tensor('float32', [2, 5, 8]),
      drawn.tensor('float32', [12, 8]),
      undefined,
      { backend, heads: 3 },
    ]),
    ...pair(heed, 'norm', (drawn) => {
      const [x, residual] = [0, 1].map(() => drawn.tensor('float32', [3, 7, 20]));
      return [x, { backend, weight: drawn.tensor('float32', [20]), residual, type: 'layer' }];
    }),
    ...pair(heed, 'sample', (drawn) => [
      drawn.tensor('float32', [3, 700]),
      { backend, temperature: [0, 1, 0.7], topK: 40, topP: 0.9, seed: 1 },
    ]),
    ...pair(heed, 'embed', (drawn) => {
      const [words, places] = [9, 4].map((length) => drawn.tensor('float32', [length, 13]));
      return [[8, 0, 3, 8], words, { backend, scale: 3, add: [{ ids: [0, 1, 2, 3], table: places }] }];
    }),
    ...elsewhere('logits', (drawn) => [
      drawn.tensor('float32', [9, 20]),
      drawn.tensor('float32', [30, 20]),
      { backend, queryStarts: [0, 4, 9], softcap: 30 },
    ]),
    ...pair(heed, 'pooling', (drawn) => [
      drawn.tensor('float32', [9, 20]),
      { backend, queryStarts: [0, 4, 4, 9], normalize: true },
    ]),
    ...pair(layer, 'forward', (drawn) => [drawn.tensor('float32', [2, 7, 24]), {}]),
    ...forward('FeedForward', network, (drawn) => {
      const [x, residual] = [0, 1].map(() => drawn.tensor('float32', [2, 7, 24]));
      return [x, { residual }];
    }),
    ...forward('TransformerBlock', block, (drawn) => [drawn.tensor('float32', [2, 7, 24]), {}]),
    ...pair(layer, 'forwardDetails', (drawn) => [
      drawn.tensor('float32', [2, 7, 24]),
      { include: ['weights', 'logSumExp'] },
    ]),
    ...pair(layer, 'projectContext', (drawn) => [drawn.tensor('float32', [2, 7, 24]), { kvLengths: [7, 3] }]),
    ...operator('attention', (drawn) => {
      const [K, V, past_key, past_value] = [7, 7, 3, 3].map((steps) =>
        drawn.tensor('float32', [2, 2, steps, 8]),
      );
      const Q = drawn.tensor('float32', [2, 4, 5, 8]);
      return [
        { Q, K, V, past_key, past_value },
        { is_causal: 1, qk_matmul_output_mode: drawn.integer(0, 3) },
        { backend, outputs: ['Y', 'present_key', 'present_value', 'qk_matmul_output'] },
      ];
    }),
    ...operator('rotaryEmbedding', (drawn) => [
      {
        input: drawn.tensor('float32', [2, 5, 12]),
        cos_cache: drawn.tensor('float32', [2, 5, 3]),
        sin_cache: drawn.tensor('float32', [2, 5, 3]),
      },
      { num_heads: 2 },
      { backend },
    ]),
  };
}

/** The same arguments, with all tensors at a location. */
async function place(value: unknown, location: Location): Promise<unknown> {
  if (value instanceof Tensor) return await value.to(location);
  if (Array.isArray(value)) return await Promise.all(value.map((each) => place(each, location)));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(async ([key, each]) => [key, await place(each, location)]);
  return Object.fromEntries(await Promise.all(entries));
}

/** What a cache holds, as queries of ones see it. */
async function attended(cache: heed.KeyValueCache): Promise<Tensor> {
  const { batch, heads, width, location } = cache;
  const ones = new Tensor(new Float32Array(batch * heads * width).fill(1), [batch, heads, 1, width]);
  return await (await heed.attention(await ones.to(location), cache)).to('cpu');
}

/** The tensors of a result, by where they are in it. */
async function tensorsIn(result: unknown): Promise<Record<string, Tensor>> {
  if (result instanceof heed.KeyValueCache) return { attended: await attended(result) };
  if (result instanceof Int32Array) return { output: new Tensor(result, [result.length]) };
  const here = await place(result, 'cpu');
  if (here instanceof Tensor) return { output: here };
  const entries = Object.entries(here as Record<string, Tensor | Tensor[]>).flatMap(([name, value]) =>
    Array.isArray(value)
      ? value.map((each, i) => [`${name}[${i}]`, each] as const)
      : [[name, value] as const],
  );
  return Object.fromEntries(entries);
}

/** Adds properties to the options. */
function withOption(args: readonly unknown[], more: object): unknown[] {
  return [...args.slice(0, -1), { ...(args.at(-1) as object), ...more }];
}

eachBackend('an operation that is done when it returns', (backend) => {
  const random = new Random(`two forms on ${backend}`);
  const forms = formsOn(backend, random);

  it('goes with each promise', () => {
    const synchronous = [heed, heed.MultiHeadAttention.prototype].flatMap((owner) =>
      Object.getOwnPropertyNames(owner).filter((name) => name.endsWith('Sync')),
    );
    const blocks = [heed.FeedForward, heed.TransformerBlock].flatMap(({ name: owner, prototype }) =>
      Object.getOwnPropertyNames(prototype)
        .filter((name) => name.endsWith('Sync'))
        .map((name) => `${owner} ${name}`),
    );
    const operators = Object.keys(onnx).filter((name) => name.endsWith('Sync'));
    assert.deepEqual(
      [...synchronous, ...blocks, ...operators.map((name) => `onnx ${name}`)].sort(),
      Object.keys(forms)
        .map((name) => `${name}Sync`)
        .sort(),
    );
  });

  for (const [name, { promised, sync, draw, operator, refusedOn }] of Object.entries(forms)) {
    if (refusedOn === backend) continue;
    it(`gives the same bits as ${name}`, async () => {
      const args = draw(random);
      const locations = operator ? ['cpu' as const] : new Set(['cpu' as const, locationOf(backend)]);
      for (const location of locations) {
        const placed = (await place(args, location)) as unknown[];
        const wanted = await tensorsIn(await promised(...placed));
        const given = await tensorsIn(sync(...placed));
        assert.deepEqual(Object.keys(given).sort(), Object.keys(wanted).sort());
        for (const [which, tensor] of Object.entries(given)) expectSameBits(tensor, wanted[which]);
      }
    });

    it(`throws what ${name} rejects with`, async () => {
      const misspelt = withOption(draw(random), { misspelt: 1 });
      throwsHeed(() => sync(...misspelt), 'HEED_UNKNOWN_OPTION', 'misspelt');
      const promise = promised(...misspelt) as Promise<unknown>;
      await rejectsHeed(() => promise, 'HEED_UNKNOWN_OPTION', 'misspelt');
    });

    if (!operator) {
      it(`throws the reason of a signal that is aborted before ${name} begins`, async () => {
        const reason = { enough: true };
        const aborted = withOption(draw(random), { signal: AbortSignal.abort(reason) });
        const isReason = (error: unknown) => error === reason;
        assert.throws(() => sync(...aborted), isReason);
        await assert.rejects(promised(...aborted) as Promise<unknown>, isReason);
      });
    }
  }
});
