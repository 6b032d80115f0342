/**
 * A model that was trained: an ALBERT whose attention says which atom of a reaction became which. Its folder lies beside the
 * repository where there is one, and is not part of it.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EncoderModel, loadModel } from '../../lib/models.js';
import { packageRoot } from '../../lib/package-root.js';
import { open } from '../../lib/safetensors.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { expectClose } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { describeWithFolder } from '../support/programs.js';
import { activations, multiply, normalise, type Rows } from './plain-model.js';

interface Case {
  readonly ids: readonly number[];
  /** The most probable token at each place. */
  readonly best: readonly number[];
  readonly attention: { readonly pass: number; readonly head: number; readonly rows: readonly number[][] };
  readonly lastHidden: { readonly row0: readonly number[] };
}

const folder = join(packageRoot, '..', 'shared', 'models', 'rxnmapper');

/** onnxruntime is within 5.8e-6 of what is expected, which has nine digits. */
const tolerance = 2e-5;

/** What the model was trained to predict with: from hidden states to the logits of tokens. */
async function loadHead(): Promise<(hidden: Rows) => Rows> {
  const file = await open(join(folder, 'model.safetensors'));
  const rows = async (name: string) => {
    const { dims, data } = await file.read(name);
    const columns = dims.length === 1 ? dims[0] : dims[1];
    const numbers = Float64Array.from(data as Float32Array);
    return Array.from({ length: numbers.length / columns }, (_, row) =>
      numbers.subarray(row * columns, (row + 1) * columns),
    );
  };
  const [dense, denseBias] = [await rows('predictions.dense.weight'), await rows('predictions.dense.bias')];
  const [norm, normBias] = [
    await rows('predictions.LayerNorm.weight'),
    await rows('predictions.LayerNorm.bias'),
  ];
  const [decoder, bias] = [await rows('predictions.decoder.weight'), await rows('predictions.decoder.bias')];
  await file.close();
  const style = { type: 'layer', epsilon: 1e-12, offset: 0, weight: norm[0], bias: normBias[0] } as const;
  return (hidden) => {
    const inner = multiply(hidden, { weight: dense, bias: denseBias[0] });
    const activated = inner.map((row) => row.map(activations.gelu));
    return multiply(normalise(activated, style), { weight: decoder, bias: bias[0] });
  };
}

function rowsOf(tensor: Tensor): Rows {
  const numbers = Float64Array.from(toNumbers(tensor));
  const width = tensor.dims[1];
  return Array.from({ length: tensor.dims[0] }, (_, row) => numbers.subarray(row * width, (row + 1) * width));
}

describeWithFolder(folder, 'a trained ALBERT', () => {
  let cases: readonly Case[];
  let model: EncoderModel;

  before(async () => {
    ({ cases } = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8')) as { cases: Case[] });
    model = (await loadModel(folder)) as EncoderModel;
  });
  after(() => model.dispose());

  it('has the hidden states, the attention and the predictions that it has by definition', async () => {
    const head = await loadHead();
    assert.equal(cases.length, 3);
    for (const { ids, best, attention: expected, lastHidden } of cases) {
      const place = { layer: expected.pass, head: expected.head };
      const { output, attention = [] } = await model.hidden(ids, { attention: [place] });
      expectClose(attention[0], expected.rows.flat(), tolerance, 'attention');
      const rows = rowsOf(output);
      expectClose(
        { type: 'float64', dims: [rows[0].length], data: rows[0] },
        lastHidden.row0,
        tolerance,
        'hidden',
      );
      assert.deepEqual(
        head(rows).map((row) => row.indexOf(Math.max(...row))),
        best,
      );
    }
  });

  it('gives every reaction of a packed batch the row that it has alone, bit by bit', async () => {
    const batch = await model.embed(
      cases.map(({ ids }) => ids),
      { pooling: 'first' },
    );
    for (const [i, { ids, lastHidden }] of cases.entries()) {
      const alone = await model.embed([ids], { pooling: 'first' });
      const row = batch.data.subarray(i * 256, (i + 1) * 256);
      assert.deepEqual(row, alone.data);
      expectClose(alone, lastHidden.row0, tolerance);
    }
  });
});
