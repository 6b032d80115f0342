// Runs on a processor (or an emulated one) with only SSE2: the addon must load, choose the baseline and compute correctly.
const assert = require('node:assert/strict');
const { attentionSync, Tensor } = require('../dist/lib/index.js');
const { instructionSet } = require('../dist/lib/backends/native/native.js');

assert.equal(instructionSet(), 'baseline');
const numbers = Float32Array.from({ length: 2 * 20 * 16 }, (_, i) => Math.sin(i * i));
const tensor = new Tensor(numbers, [1, 2, 20, 16]);
const [native, truth] = ['cpu', 'reference'].map(
  (backend) => attentionSync(tensor, tensor, tensor, { backend }).data,
);
truth.forEach((value, i) => {
  assert.ok(Math.abs(value - native[i]) < 1e-5, `element ${i}: ${native[i]} instead of ${value}`);
});
console.log(`the addon runs on the baseline and agrees with the reference in ${truth.length} numbers`);
