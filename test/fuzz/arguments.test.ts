/** Tests every public function with hostile arguments. HEED_FUZZ_CALLS is the minimum number of calls. */
import assert from 'node:assert/strict';
import { backendsAtHand, type TestedBackend } from '../support/backends.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { attentionTargets } from './attention-calls.js';
import { blockTargets } from './block-calls.js';
import { cachedAttentionTargets, cacheTargets, severalCachesTargets } from './cache-calls.js';
import { drawFrom } from './draw.js';
import type { Draw } from './hostile-values.js';
import { layerTargets } from './layer-calls.js';
import { microsoftTargets } from './microsoft-calls.js';
import { mutate } from './mutate.js';
import { onnxTargets } from './onnx-calls.js';
import { operatorTargets } from './operator-calls.js';
import { judge, judgeGood, type Target } from './outcome.js';
import { safetensorsTargets } from './safetensors-calls.js';
import { tensorTargets } from './tensor-calls.js';

const least = Number(process.env.HEED_FUZZ_CALLS ?? 20_000);
const mostComplaints = 5;

const backends = backendsAtHand();

const onBackend = (backend: TestedBackend) => (draw: Draw) => [
  ...attentionTargets(draw, backend),
  ...cacheTargets(draw, backend),
  ...cachedAttentionTargets(draw, backend),
  ...severalCachesTargets(draw, backend),
  ...layerTargets(draw, backend),
  ...onnxTargets(draw, backend),
  ...microsoftTargets(draw, backend),
  ...operatorTargets(draw, backend),
  ...blockTargets(draw, backend),
];
const namesOf = (targets: (draw: Draw) => Target[]) => targets(drawFrom('names')).map(({ name }) => name);
const fileTargets = ['open', 'file.read', 'save'];
const targetCount =
  backends.length * namesOf(onBackend('reference')).length +
  namesOf(tensorTargets).length +
  fileTargets.length;
const perTarget = Math.ceil(least / targetCount);

const counts = { refused: 0, right: 0 };

/** Makes good calls occasionally and hostile ones otherwise; continues after a failure, to report several. */
async function attack(target: Target, draw: Draw): Promise<void> {
  const complaints: string[] = [];
  for (let i = 0; i < perTarget && complaints.length < mostComplaints; i++) {
    try {
      if (i % 10 === 0) await judgeGood(target);
      counts[await judge(target, mutate(target.arguments(), draw))]++;
    } catch (error) {
      complaints.push((error as Error).message);
    }
  }
  assert.deepEqual(complaints, []);
}

function suite(
  title: string,
  names: readonly string[],
  targets: (draw: Draw) => Target[] | Promise<Target[]>,
): void {
  describe(title, () => {
    for (const name of names) {
      it(`${name} gives a HeedError or a right answer`, async () => {
        const draw = drawFrom(`${title} ${name}`);
        const target = (await targets(draw)).find((each) => each.name === name);
        assert.ok(target);
        await attack(target, draw);
      });
    }
  });
}

describe('hostile arguments', () => {
  for (const backend of backends) suite(`on ${backend}`, namesOf(onBackend(backend)), onBackend(backend));
  suite('of tensors', namesOf(tensorTargets), tensorTargets);

  describe('in files', () => {
    const at = temporaryDirectory();
    const home = process.cwd();
    before(() => process.chdir(at('.')));
    after(() => process.chdir(home));
    suite('of safetensors', fileTargets, safetensorsTargets);
  });

  // In a separate suite, so that it runs last.
  describe('all in all', () => {
    it(`are ${least} at least`, () => {
      const calls = counts.refused + counts.right;
      console.log(
        `      ${calls} hostile calls: ${counts.refused} refused, ${counts.right} answered rightly`,
      );
      assert.ok(calls >= least, `${calls} calls`);
    });
  });
});
