import assert from 'node:assert/strict';
import * as heed from '../lib/index.js';

describe('the package', () => {
  it('exports its public interface and nothing else', () => {
    assert.deepEqual(Object.keys(heed).sort(), [
      'FeedForward',
      'HeedError',
      'KeyValueCache',
      'KeyValuePool',
      'MultiHeadAttention',
      'PackedWeight',
      'Tensor',
      'TransformerBlock',
      'attention',
      'attentionDetails',
      'attentionDetailsSync',
      'attentionSync',
      'deviceMemory',
      'devices',
      'embed',
      'embedSync',
      'limitDeviceMemory',
      'logits',
      'logitsSync',
      'mergeAttention',
      'mergeAttentionSync',
      'norm',
      'normSync',
      'packWeight',
      'packedAttention',
      'packedAttentionDetails',
      'packedAttentionDetailsSync',
      'packedAttentionSync',
      'pooling',
      'poolingSync',
      'project',
      'projectSync',
      'sample',
      'sampleSync',
      'splitHeads',
      'trimDeviceMemory',
    ]);
  });

  it('gives import the very classes and functions that it gives require', async () => {
    const esm: Record<string, unknown> = await import('../lib/index.mjs');
    for (const [name, value] of Object.entries(heed)) assert.equal(esm[name], value, name);
  });
});
