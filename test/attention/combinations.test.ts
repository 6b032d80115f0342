/** Tests random combinations of options: options that work alone must also work together. */
import { integerTypes } from '../../lib/tensor/types.js';
import {
  attend,
  checkAttention,
  type InputShape,
  randomInputs,
  typesOf,
  withOneReading,
} from '../support/attention.js';
import { eachBackend, type TestedBackend } from '../support/backends.js';
import { expectClose, tolerances } from '../support/compare.js';
import { attentionOracle, type OracleOptions } from '../support/oracle.js';
import { Random } from '../support/random.js';

const runs = 120;

function randomShape(random: Random, backend: TestedBackend): Required<InputShape> {
  const keyHeads = random.integer(1, 3);
  return {
    type: random.pick(typesOf(backend)),
    layout: random.pick(['bhsd', 'bshd']),
    batch: random.integer(1, 3),
    heads: keyHeads * random.integer(1, 3),
    keyHeads,
    queries: random.pick([1, 2, 5, 17, 40]),
    keys: random.pick([1, 3, 16, 33, 70]),
    width: random.pick([1, 8, 13, 32, 64]),
    valueWidth: random.pick([1, 8, 20, 64]),
  };
}

function randomMask(random: Random, { batch, heads, queries, keys }: Required<InputShape>) {
  const target = [batch, heads, queries, keys];
  const dims = target.map((length) => (random.chance(0.6) ? length : 1));
  const kept = dims.slice(random.integer(0, dims.findIndex((length) => length !== 1) + 1));
  const drawn = withOneReading(random.chance(0.2) ? [batch, keys] : kept, target);
  return random.chance(0.5)
    ? random.mask(drawn, 0.8).cast(random.pick(['bool', 'bool', ...integerTypes]))
    : random.tensor(random.pick(['float32', 'float16']), drawn);
}

function randomOptions(random: Random, shape: Required<InputShape>): OracleOptions {
  const { batch, heads, queries, keys } = shape;
  const perHead = (deviation: number) => Array.from({ length: heads }, () => deviation * random.normal());
  const maybe = <Value>(probability: number, value: () => Value) =>
    random.chance(probability) ? value() : undefined;
  const options = {
    layout: shape.layout,
    scale: maybe(0.2, () => random.uniform(0.05, 1)),
    softcap: maybe(0.3, () => random.uniform(0.5, 20)),
    causal: maybe(0.5, () => true),
    window: maybe(0.3, () => ({ left: random.integer(0, keys), right: random.integer(0, keys) })),
    queryOffset: maybe(0.3, () => Array.from({ length: batch }, () => random.integer(-queries, keys))),
    kvLengths: maybe(0.3, () => Array.from({ length: batch }, () => random.integer(0, keys))),
    mask: maybe(0.5, () => randomMask(random, shape)),
    alibiSlopes: maybe(0.3, () => perHead(0.3)),
    sinks: maybe(0.3, () => perHead(2)),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

eachBackend('options together', (backend) => {
  for (let run = 0; run < runs; run++) {
    const random = new Random(`options together ${run}`);
    const shape = randomShape(random, backend);
    const options = randomOptions(random, shape);
    const { mask, ...rest } = options;
    const title = JSON.stringify({ ...shape, ...rest, ...(mask && { mask: [mask.type, ...mask.dims] }) });
    it(`${title} are right`, () => checkAttention(backend, randomInputs(random, shape), options));
  }

  it('are right for random shapes of a size that spans several tiles', () => {
    const random = new Random('several tiles');
    const shape: Required<InputShape> = {
      ...{ type: 'float32', layout: 'bshd', batch: 1, heads: 2, keyHeads: 1 },
      ...{ queries: 150, keys: 330, width: 20, valueWidth: 12 },
    };
    const inputs = randomInputs(random, shape);
    const options = {
      layout: 'bshd',
      causal: true,
      window: { left: 140 },
      mask: random.mask([150, 330], 0.9),
    } as const;
    const expected = attentionOracle(inputs.query, inputs.key, inputs.value, options);
    expectClose(attend(backend, inputs, options), expected.output, tolerances.float32);
  });
});
