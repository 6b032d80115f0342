/** 32,768 × 32,768 tokens, one head of width 64; prints the growth of the peak beyond inputs and output. */
import { readFileSync } from 'node:fs';
import { attention, Tensor } from '../../../../lib/index.js';
import { filled } from './operations.js';

const tokens = 32_768;

function peak(): number {
  const found = /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1]) * 1024;
}

async function main(): Promise<void> {
  const dims = [1, 1, tokens, 64];
  const [query, key, value] = [1, 2, 3].map((x) => filled(dims, x / 10));
  const out = new Tensor('float32', new Float32Array(tokens * 64).fill(1), dims);
  // Starts threads and other fixed costs before the measurement.
  const few = filled([1, 1, 256, 64]);
  await attention(few, few, few);
  const before = peak();
  await attention(query, key, value, { out });
  const grown = peak() - before;
  console.log(
    JSON.stringify({ grown, right: (out.data as Float32Array).every((x) => Math.abs(x - 0.3) < 1e-5) }),
  );
}

void main();
