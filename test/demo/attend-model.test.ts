import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { LanguageModel } from '../../lib/demo/language-model/language-model.js';
import { endOfText } from '../../lib/demo/language-model/tokenizer.js';
import type { PageData } from '../../lib/demo/page/page-data.js';
import { runHeed } from '../cli/run-heed.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const text = 'Velmor met Tarnis. Then Tarnis sang to Velmor, and Velmor sang to Tarnis.';

describe('heed attend --model', function () {
  this.timeout(60_000);
  const file = temporaryDirectory();

  function succeed(...args: string[]): { stdout: string; data: PageData } {
    const { status, stdout, stderr } = runHeed(['attend', '--model', '--out', file('page.html'), ...args]);
    assert.equal(status, 0, stderr);
    const [, data] = /<script type="application\/json" id="data">(.*)<\/script>/.exec(
      readFileSync(file('page.html'), 'utf8'),
    ) ?? ['', ''];
    return { stdout, data: JSON.parse(data) as PageData };
  }

  it('tells what each head does, with its scores', () => {
    const { stdout, data } = succeed(text);
    assert.match(stdout, /text +\d+ tokens\n/);
    assert.match(stdout, /model +2 layers of 4 heads, \d+ parameters\n/);
    assert.equal(
      stdout.match(/ a token .* \(previous token [01]\.\d\d, induction [01]\.\d\d\)\n/g)?.length,
      8,
    );
    assert.match(stdout, /What follows\n +"/);
    assert.equal(data.heads.length, 8);
    for (const { title } of data.heads) assert.ok(stdout.includes(`\n  ${title}\n`), title);
  });

  it('names the induction head, and the head that it stands on', () => {
    const { stdout, data } = succeed(text);
    for (const title of ['Layer 1, head 4: previous token', 'Layer 2, head 4: induction']) {
      assert.ok(stdout.includes(`\n  ${title} `), stdout);
      assert.ok(data.heads.some((head) => head.title === title));
    }
  });

  it('tells about a token that stood before, and what followed it then', () => {
    const { stdout } = succeed(text);
    const [, token, before] = /What “(.+)” looks at \(token \d+ of \d+, after “(.+)”\)/.exec(stdout) ?? [];
    assert.ok(token && before, stdout);
    assert.ok(before.slice(1).includes(token), stdout);
  });

  it('writes the weights of the real heads into the page', async () => {
    const { data } = succeed(text);
    using model = await LanguageModel.load();
    const tokens = [endOfText, ...model.tokenizer.encode(text)];
    const { heads } = await model.examine(tokens);
    assert.equal(data.words.length, tokens.length);
    assert.equal(data.words.map(({ text, after }) => text + after).join(''), `▷${text}`);
    for (const [i, head] of data.heads.entries()) {
      assert.equal(head.open, undefined);
      const bytes = Buffer.from(head.causal.weights, 'base64');
      const expected = heads.flat()[i];
      const shown = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
      assert.equal(shown.length, expected.length);
      expected.forEach((weight, at) => {
        const exponent = shown[at] >> 10;
        const fraction = shown[at] & 0x3ff;
        const value = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
        assert.ok(Math.abs(value - weight) <= 1e-3 * weight + 1e-7, `${value} is not ${weight}`);
      });
    }
  });

  it('lets the model tell a story where there is no text, always the same', () => {
    const { stdout, data } = succeed();
    assert.match(stdout, /A story that the model tells/);
    assert.ok(data.total > 60);
    assert.deepEqual(succeed().data.words, data.words);
  });

  it('tells about a token that is asked for, and reads files', () => {
    writeFileSync(file('story.txt'), text);
    const { stdout } = succeed('--file', file('story.txt'), '--word', 'sang');
    assert.match(stdout, /What “sang” looks at/);
    const { status, stderr } = runHeed(['attend', '--model', text, '--word', 'zebra']);
    assert.equal(status, 1);
    assert.match(stderr, /^heed: Expected --word to be in the text, received 'zebra'/);
  });

  it('refuses kinds of attention that the model was not trained with', () => {
    for (const [option, kind] of [
      ['--score', 'cosine'],
      ['--select', 'hard'],
    ]) {
      const { status, stderr } = runHeed(['attend', '--model', text, option, kind]);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`'-m, --model' cannot be used with option '${option} <`));
    }
  });

  it('reads as much of a long text as the model can', () => {
    writeFileSync(file('long.txt'), `${text} `.repeat(40));
    assert.match(succeed(file('long.txt')).stdout, /text +256 tokens, the first of a longer text/);
  });
});
