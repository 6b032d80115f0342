/**
 * Measures many sequences in one call of a layer against as many calls at once, by processor time: 31 steps and a prompt of
 * 200 tokens through the attention of the bundled model, and steps of 32 sequences in a layer with grouped heads.
 * `node dist/bench/studies/together.js` prints it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeyValueCache, KeyValuePool, MultiHeadAttention, Tensor } from '../../lib/index.js';
import { packageRoot } from '../../lib/package-root.js';
import { Random } from '../random.js';

/** Layers with caches for each of some sequences, which have steps already, and how many come to each. */
interface Work {
  readonly title: string;
  readonly layers: readonly MultiHeadAttention[];
  readonly width: number;
  readonly embed: number;
  readonly before: readonly number[];
  readonly counts: readonly number[];
}

const rounds = 60;

async function bundledModel(): Promise<Work> {
  const layers: MultiHeadAttention[] = [];
  const folder = join(packageRoot, 'examples', 'language-model');
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  const { num_hidden_layers: count, hidden_size: embed, num_attention_heads: heads } = config;
  for (let layer = 0; layer < count; layer++) {
    layers.push(
      await MultiHeadAttention.load(join(folder, 'model.safetensors'), {
        prefix: `model.layers.${layer}.self_attn.`,
        heads,
        rotary: { theta: config.rope_theta },
        causal: true,
        type: 'float32',
      }),
    );
  }
  const one = (first: number, others: number) => [first, ...new Array<number>(31).fill(others)];
  return {
    title: 'attention of the bundled model: a prompt of 200 tokens among 31 steps',
    layers,
    width: embed / heads,
    embed,
    before: one(0, 100),
    counts: one(200, 1),
  };
}

function groupedHeads(random: Random): Work {
  const [embed, width, heads, keyValueHeads] = [2048, 64, 32, 8];
  const linear = (rows: number) => ({
    weight: new Tensor(random.floats(rows * embed), [rows, embed]),
  });
  const layer = new MultiHeadAttention(
    {
      query: linear(heads * width),
      key: linear(keyValueHeads * width),
      value: linear(keyValueHeads * width),
      output: linear(embed),
    },
    { heads, keyValueHeads, causal: true, rotary: {} },
  );
  return {
    title: 'a step of 32 sequences after 256, 2048 wide, 32 heads on 8',
    layers: [layer],
    width,
    embed,
    before: new Array<number>(32).fill(256),
    counts: new Array<number>(32).fill(1),
  };
}

/** Milliseconds of processor time, the median of all rounds. */
function median(times: number[]): number {
  return times.sort((a, b) => a - b)[times.length >> 1];
}

async function timed(call: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function measure({ title, layers, width, embed, before, counts }: Work, random: Random): Promise<void> {
  const input = (tokens: number) => new Tensor(random.floats(tokens * embed), [tokens, embed]);
  const pools = layers.map(({ keyValueHeads: heads }) => new KeyValuePool({ heads, width, pages: 4096 }));
  const caches: KeyValueCache[][] = [];
  for (const [i, layer] of layers.entries()) {
    caches.push(before.map(() => pools[i].sequence()));
    for (const [entry, steps] of before.entries())
      if (steps > 0)
        await layer.forward(input(steps), { queryStarts: [0, steps], caches: [caches[i][entry]] });
  }
  const queryStarts = [0];
  for (const count of counts) queryStarts.push((queryStarts.at(-1) ?? 0) + count);
  const all = input(queryStarts.at(-1) ?? 0);
  const rows = (entry: number) =>
    new Tensor(
      (all.data as Float32Array).subarray(queryStarts[entry] * embed, queryStarts[entry + 1] * embed),
      [1, counts[entry], embed],
    );
  const inputs = counts.map((_, entry) => rows(entry));
  const together: number[] = [];
  const atOnce: number[] = [];
  const takeBack = () => {
    for (const each of caches) for (const [entry, cache] of each.entries()) cache.truncate(before[entry]);
  };
  for (let round = 0; round < rounds; round++) {
    together.push(
      await timed(async () => {
        for (const [i, layer] of layers.entries())
          await layer.forward(all, { queryStarts, caches: caches[i] });
      }),
    );
    takeBack();
    atOnce.push(
      await timed(async () => {
        for (const [i, layer] of layers.entries())
          await Promise.all(inputs.map((each, entry) => layer.forward(each, { cache: caches[i][entry] })));
      }),
    );
    takeBack();
  }
  const [one, many] = [median(together), median(atOnce)];
  console.log(
    `${title}: ${one.toFixed(2)} ms together, ${many.toFixed(2)} at once, ${(many / one).toFixed(2)}×`,
  );
  for (const pool of pools) pool.dispose();
  for (const layer of layers) layer.dispose();
}

async function main(): Promise<void> {
  const random = new Random('together', 'study');
  await measure(await bundledModel(), random);
  await measure(groupedHeads(random), random);
}

void main();
