/** Tests the errors of whole layers against exact arithmetic on the same inputs and weights. */
import assert from 'node:assert/strict';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { relativeError, toleranceOf } from '../support/compare.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';
import { layerOracle } from './layer-oracle.js';
import { randomWeights } from './random-layer.js';

eachBackend('the accuracy of a layer', (backend) => {
  for (const type of typesOf(backend)) {
    // Three results are rounded, one after the other: those of the first maps, of attention, and of the last map.
    const bar = type === 'float32' ? 2 * toleranceOf(backend, type) : toleranceOf(backend, type);

    for (const causal of [false, true]) {
      it(`is that of ${type} from end to end${causal ? ', causal' : ''}: ${bar}`, async () => {
        const random = new Random(`the accuracy of a layer, ${type}, ${causal}`);
        const [batch, steps, embed, heads] = [2, 37, 96, 6];
        const weights = randomWeights(random, { type, heads, width: 16, embed });
        const input = random.tensor(type, [batch, steps, embed]);
        using layer = new MultiHeadAttention(weights, { heads, causal, backend });
        assert.equal(layer.type, type);
        const out = poisoned(type, [batch, steps, embed]);
        await layer.forward(input, { out: out.tensor });
        out.expectMarginsIntact();
        // In float64, the oracle rounds nothing.
        const exact = layerOracle('float64', weights, { heads, causal }, input).output;
        const error = relativeError(out.tensor, exact);
        assert.ok(error <= bar, `error ${error}`);
      });
    }
  }
});
