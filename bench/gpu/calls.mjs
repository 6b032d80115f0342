/**
 * What a call of attention takes from JavaScript, tensors on the GPU in and out: many calls that nobody waits for, then one wait.
 * Reads rows of rows.py as JSON from its argument; writes [{ name, perCall, calls }], in seconds, as JSON.
 */
import { attention, Tensor } from '../../dist/lib/index.js';

const location = 'cuda';
const rounds = 9;

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function random(type, dims) {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const drawn = new Tensor('float32', Float32Array.from({ length: size }, normal), dims);
  return drawn.cast(type).to(location);
}

/** Whatever is enqueued after everything else ends after it. */
async function untilIdle(tiny) {
  const result = await attention(tiny, tiny, tiny);
  await result.getData();
  result.dispose();
}

async function measure({ name, type, shape, calls }) {
  const { batch, heads, key_heads: keyHeads, steps, keys, width, causal = false } = shape;
  const query = await random(type, [batch, heads, steps, width]);
  const key = await random(type, [batch, keyHeads, keys, width]);
  const value = await random(type, [batch, keyHeads, keys, width]);
  const tiny = await random(type, [1, 1, 1, width]);
  const out = Tensor.zeros(type, [batch, heads, steps, width], location);
  const times = [];
  for (let round = 0; round <= rounds; round++) {
    await untilIdle(tiny);
    const began = performance.now();
    for (let call = 0; call < calls; call++) await attention(query, key, value, { causal, out });
    await untilIdle(tiny);
    // The first round warms up.
    if (round > 0) times.push((performance.now() - began) / 1000 / calls);
  }
  for (const tensor of [query, key, value, tiny, out]) tensor.dispose();
  return { name, perCall: times.sort((a, b) => a - b)[rounds >> 1], calls };
}

const found = [];
for (const row of JSON.parse(process.argv[2])) found.push(await measure(row));
console.log(JSON.stringify(found));
