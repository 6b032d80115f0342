/**
 * Measures the time of an attention call from JavaScript, with tensors on the GPU: many calls without
 * waiting, then one wait. Reads rows of rows.py as JSON from its argument; writes [{ name, perCall, enqueue,
 * calls }], in seconds, as JSON: `perCall` is the time until the GPU has finished all calls, `enqueue` the
 * time until all are enqueued, each divided by the number of calls.
 */
import { attention, Tensor } from '../../dist/lib/index.js';

const location = 'cuda';
const rounds = 9;

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

async function random(type, dims) {
  const drawn = Tensor.zeros('float32', dims);
  const { data } = drawn;
  for (let i = 0; i < data.length; i++) data[i] = normal();
  return await drawn.cast(type).to(location);
}

/** Work enqueued last ends last. */
async function untilIdle(tiny) {
  const result = await attention(tiny, tiny, tiny);
  await result.getData();
  result.dispose();
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1];
}

async function measure({ name, type, shape, calls }) {
  const { batch, heads, key_heads: keyHeads, steps, keys, width, causal = false } = shape;
  const query = await random(type, [batch, heads, steps, width]);
  const key = await random(type, [batch, keyHeads, keys, width]);
  const value = await random(type, [batch, keyHeads, keys, width]);
  const tiny = await random(type, [1, 1, 1, width]);
  const out = Tensor.zeros(type, [batch, heads, steps, width], location);
  const [perCall, enqueue] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    await untilIdle(tiny);
    const start = performance.now();
    await untilIdle(tiny);
    const began = performance.now();
    for (let call = 0; call < calls; call++) await attention(query, key, value, { causal, out });
    const enqueued = performance.now();
    await untilIdle(tiny);
    const ended = performance.now();
    // The first round warms up.
    if (round === 0) continue;
    // Subtracts the time of waiting for an idle GPU.
    perCall.push((ended - began - (began - start)) / 1000 / calls);
    enqueue.push((enqueued - began) / 1000 / calls);
  }
  for (const tensor of [query, key, value, tiny, out]) tensor.dispose();
  return { name, perCall: median(perCall), enqueue: median(enqueue), calls };
}

const found = [];
for (const row of JSON.parse(process.argv[2])) found.push(await measure(row));
console.log(JSON.stringify(found));
