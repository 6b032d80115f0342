/** `heed attend`: runs attention heads of known meaning over a text, and reports what they look at. */
import { resolve } from 'node:path';
import { devices } from '../backends/devices.js';
import { Progress } from '../cli/progress.js';
import { Painter } from '../cli/terminal.js';
import { HeedError } from '../errors.js';
import { choosePosition } from './chosen-word.js';
import { embed, longestText } from './embedding.js';
import { foretell } from './expectations.js';
import { layers } from './heads.js';
import type { Kinds } from './kinds.js';
import { collectPage, type Stretch, stretchAround } from './page/collect.js';
import { renderPage, writePage } from './page/page.js';
import { describeRun, report } from './report.js';
import { measureSpeed } from './speed.js';
import { openText } from './text.js';
import { TwoLayers } from './two-layers.js';
import { readWords } from './words.js';

export interface AttendOptions {
  readonly file?: string;
  readonly word?: string;
  readonly causal?: boolean;
  readonly score: Kinds['score'];
  readonly select: Kinds['select'];
  readonly out: string;
}

export async function attend(text: readonly string[], options: AttendOptions): Promise<void> {
  const source = await openText(text, options.file);
  const { words, complete } = readWords(source.text, longestText);
  if (words.length === 0) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected words to attend to, found none in ${source.title}`,
    );
  }
  const { causal = false, score, select } = options;
  const kinds = { score, select };
  const chosen = choosePosition(words, options.word);
  const stretch = stretchAround(chosen, words.length);

  const { findings, speed } = await compute(embed(words), stretch, causal, kinds);
  const shown = causal ? findings.causal : findings.open;
  const row = chosen - stretch.start;
  const run = {
    title: source.title,
    words,
    complete,
    chosen,
    causal,
    kinds,
    device: devices().find(({ preferred }) => preferred),
    speed,
    rows: shown.weights.map((weights) => weights.subarray(row * words.length, (row + 1) * words.length)),
    foretelling: foretell(words, findings.causal.expectations),
  };
  const page = await renderPage(
    collectPage({
      title: source.title,
      words,
      stretch,
      chosen,
      causal,
      heads: layers
        .flatMap((layer) => layer.heads)
        .map((head, i) => ({
          ...head,
          open: findings.open.weights[i],
          causal: findings.causal.weights[i],
        })),
      facts: describeRun(run),
    }),
  );
  const path = resolve(options.out);
  await writePage(path, page);
  console.log(report(run, path, Painter.for(process.stdout)));
}

async function compute(vectors: Float32Array, { start, end }: Stretch, causal: boolean, kinds: Kinds) {
  const rows = Array.from({ length: end - start }, (_, i) => start + i);
  using progress = new Progress(4);
  progress.begin('loading the heads');
  using open = await TwoLayers.load(false, kinds);
  using hidden = await TwoLayers.load(true, kinds);
  progress.begin('attending');
  const findings = { open: await open.examine(vectors, rows), causal: await hidden.examine(vectors, rows) };
  progress.begin('measuring the speed');
  const speed = await measureSpeed(causal ? hidden : open, vectors, causal, (share) =>
    progress.advance(share),
  );
  progress.begin('drawing the page');
  return { findings, speed };
}
