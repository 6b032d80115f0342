/** Tests the components of a score, scale, softcap, ALiBi and sinks, and their order. */
import assert from 'node:assert/strict';
import { attend, checkAttention, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle } from '../support/oracle.js';
import { Random } from '../support/random.js';

eachBackend('scores', (backend) => {
  const random = new Random('scores');
  const inputs = randomInputs(random, { queries: 11, keys: 19, width: 24 });
  const slopes = [0.5, 0.25, 0.125, 0];
  const sinks = [0, 2.5, -3, 8];

  for (const type of typesOf(backend)) {
    it(`computes plain attention of ${type}`, () => {
      checkAttention(backend, randomInputs(random, { type, queries: 11, keys: 19, width: 24 }));
    });
  }

  it('scales by 1/√width unless told otherwise', () => {
    expectSameBits(attend(backend, inputs), attend(backend, inputs, { scale: 1 / Math.sqrt(24) }));
  });

  for (const scale of [0.3, 1, -0.2]) {
    it(`scales by ${scale}`, () => checkAttention(backend, inputs, { scale }));
  }

  it('takes the mean of all values when the scale is 0', () => checkAttention(backend, inputs, { scale: 0 }));

  for (const softcap of [0.5, 3, 50]) {
    it(`caps at ${softcap}`, () => checkAttention(backend, inputs, { softcap, scale: 1 }));
  }

  it('does not cap with softcap 0', () => {
    expectSameBits(attend(backend, inputs, { softcap: 0 }), attend(backend, inputs));
  });

  it('adds ALiBi by the distance of key and query', () =>
    checkAttention(backend, inputs, { alibiSlopes: slopes }));

  it('counts distances from queryOffset', () => {
    checkAttention(backend, inputs, { alibiSlopes: slopes, queryOffset: [3, 40] });
  });

  it('lets sinks take weight and give no value', () => {
    checkAttention(backend, inputs, { sinks });
    const { output } = attentionOracle(inputs.query, inputs.key, inputs.value);
    assert.throws(
      () => expectClose(attend(backend, inputs, { sinks }), output, tolerances.float32),
      /relative error/,
    );
  });

  it('lets a sink far above all scores take everything', () => {
    const far = { sinks: [1e4, 1e4, 1e4, 1e4] };
    assert.ok(toNumbers(attend(backend, inputs, far)).every((element) => element === 0));
    checkAttention(backend, inputs, far);
  });

  it('caps before it adds the mask and ALiBi', () => {
    checkAttention(backend, inputs, {
      softcap: 2,
      scale: 1,
      mask: random.tensor('float32', [1, 4, 11, 19], 4),
      alibiSlopes: slopes,
      sinks,
    });
  });

  it('takes lists of numbers in any array', () => {
    const expected = attend(backend, inputs, { alibiSlopes: slopes, sinks });
    const options = { alibiSlopes: Float32Array.from(slopes), sinks: Float64Array.from(sinks) };
    expectSameBits(attend(backend, inputs, options), expected);
    const listLike = (list: readonly number[]): ArrayLike<number> => ({ ...list, length: list.length });
    expectSameBits(
      attend(backend, inputs, { alibiSlopes: listLike(slopes), sinks: listLike(sinks) }),
      expected,
    );
  });

  it('stays exact when scores are far from 0', () => {
    // Adding the same amount to every score changes nothing, but exp() of it would overflow.
    const mask = random.tensor('float32', [2, 4, 11, 1], 0);
    for (let i = 0; i < mask.size; i++) mask.data[i] = i % 2 ? 2 ** 10 : -(2 ** 10);
    const { output } = attentionOracle(inputs.query, inputs.key, inputs.value);
    // Adding 1024 rounds scores to 2⁻¹³.
    expectClose(attend(backend, inputs, { mask }), output, 2e-4);
  });
});
