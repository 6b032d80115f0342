import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { formatWeight } from '../../lib/cli/terminal.js';
import { collectPage, mostWords } from '../../lib/demo/page/collect.js';
import { renderPage } from '../../lib/demo/page/page.js';
import { readWords } from '../../lib/demo/words.js';
import { Random } from '../support/random.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { launchBrowser, openPage } from './browser.js';
import {
  chooseHead,
  expectNumber,
  heads,
  type MadePage,
  makePage,
  pointAt,
  switchCausal,
} from './made-page.js';
import { randomText, randomVocabulary } from './random-text.js';

describe('page of attention weights', function () {
  this.timeout(120_000);
  const random = new Random('page');
  const file = temporaryDirectory();
  let browser: Browser;

  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser?.close());

  const make = (name: string, text: string, chosen: number) => makePage(file, name, text, chosen);

  describe('of a short text', () => {
    const cellsOfAHead = 4;
    const vocabulary = randomVocabulary(random, 14);
    let made: MadePage;

    before(async () => {
      made = await make('short', randomText(random, vocabulary, 40).join(' '), 20);
    });

    it('shows in every cell of every head the weight that the layer gave, causal and not', async () => {
      const { page, complaints, requests } = await openPage(browser, made.path);
      const count = made.texts.length;
      let seen = 0;
      for (const causal of [false, true]) {
        await switchCausal(page, causal);
        for (let head = 0; head < heads.length; head++) {
          await chooseHead(page, head);
          for (let i = 0; i < cellsOfAHead; i++) {
            const row = random.integer(0, count - 1);
            // Every second cell is the heaviest of its row, so that its weight is visible.
            const heaviest = made.texts.reduce(
              (best, _, key) =>
                made.weight(head, causal, row, key) > made.weight(head, causal, row, best) ? key : best,
              0,
            );
            const column = i % 2 === 0 ? heaviest : random.integer(0, count - 1);
            const [, query, key, number] = /^(.*) → (.*): (.*)$/.exec(await pointAt(page, row, column)) ?? [];
            assert.equal(query, made.texts[row]);
            assert.equal(key, made.texts[column]);
            if (causal && column > row) assert.equal(number, 'hidden');
            else expectNumber(number, made.weight(head, causal, row, column));
            seen++;
          }
        }
      }
      assert.equal(seen, 2 * cellsOfAHead * heads.length);
      assert.deepEqual(complaints, []);
      assert.deepEqual(requests, [pathToFileURL(made.path).href]);
      await page.context().close();
    });

    it('has no switch where no head ever looks at later words', async () => {
      const page = await renderPage(
        collectPage({
          title: 'hidden',
          words: readWords(made.texts.join(' ')).words,
          stretch: made.stretch,
          chosen: 3,
          causal: true,
          heads: heads.map((head) => ({ ...head, causal: new Float32Array(made.texts.length ** 2) })),
          facts: [],
        }),
      );
      writeFileSync(file('hidden.html'), page);
      for (const [path, shown] of [
        [made.path, true],
        [file('hidden.html'), false],
      ] as const) {
        const opened = await openPage(browser, path);
        assert.equal(await opened.page.locator('#causal-switch').isVisible(), shown);
        assert.deepEqual(opened.complaints, []);
        await opened.page.context().close();
      }
    });

    it('colours a cell by its weight', async () => {
      const { page } = await openPage(browser, made.path);
      for (let head = 0; head < heads.length; head++) {
        await chooseHead(page, head);
        const alphas = await page.evaluate<number[]>('look.opacities()');
        assert.equal(alphas.length, made.texts.length ** 2);
        alphas.forEach((alpha, i) => {
          const weight = made.weight(head, false, Math.floor(i / made.texts.length), i % made.texts.length);
          assert.ok(Math.abs(alpha / 255 - Math.sqrt(Math.min(1, weight))) < 0.004, `${alpha} for ${weight}`);
        });
      }
      await page.context().close();
    });

    it('draws a line for every weight, and those of one word alone where it is pointed at', async () => {
      const { page } = await openPage(browser, made.path);
      const lines = () => page.evaluate<{ query: number; key: number; opacity: number }[]>('look.lines()');
      const limit = 0.01;
      const check = async (head: number, causal: boolean, query?: number, key?: number) => {
        const weightOf = (line: { query: number; key: number }) =>
          made.weight(head, causal, line.query, line.key);
        // The page's rounded weight at the limit may lie on its other side.
        const isClear = (line: { query: number; key: number }) => Math.abs(weightOf(line) - limit) > 1e-5;
        const pairs = made.texts.flatMap((_, row) =>
          made.texts.map((_, column) => ({ query: row, key: column })),
        );
        const wanted = pairs.filter(
          (pair) =>
            (query ?? pair.query) === pair.query && (key ?? pair.key) === pair.key && weightOf(pair) >= limit,
        );
        const drawn = await lines();
        assert.deepEqual(
          drawn.filter(isClear).map(({ query, key }) => ({ query, key })),
          wanted.filter(isClear),
        );
        for (const line of drawn) {
          assert.ok(Math.abs(line.opacity - Math.sqrt(Math.min(1, weightOf(line)))) < 0.001);
        }
      };
      for (const causal of [false, true]) {
        await switchCausal(page, causal);
        for (let head = 0; head < heads.length; head++) {
          await page.mouse.move(1, 1);
          await chooseHead(page, head);
          await page.mouse.move(1, 1);
          await check(head, causal);
          const index = random.integer(0, made.texts.length - 1);
          await page.locator('.words.query li').nth(index).hover();
          await check(head, causal, index);
          await page.locator('.words.key li').nth(index).hover();
          await check(head, causal, undefined, index);
        }
      }
      await page.context().close();
    });

    it('does not move below a pointer that wanders over the text', async () => {
      const { page } = await openPage(browser, made.path);
      const heights = new Set<unknown>();
      for (let index = 0; index < made.texts.length; index++) {
        await page.locator('#passage .word').nth(index).dispatchEvent('mouseenter');
        heights.add(await page.evaluate('document.documentElement.scrollHeight'));
      }
      assert.equal(heights.size, 1, [...heights].join(', '));
      await page.context().close();
    });

    it('keeps a word that is clicked, until Escape or until all are asked for', async () => {
      const { page } = await openPage(browser, made.path);
      const queries = page.locator('.words.query li');
      const kept = () => page.locator('.words.query .on .word').allTextContents();
      await queries.nth(3).click();
      await page.mouse.move(1, 1);
      assert.deepEqual(await kept(), [made.texts[3]]);
      assert.match((await page.locator('#influences-title').textContent()) ?? '', new RegExp(made.texts[3]));
      await page.keyboard.press('Escape');
      assert.deepEqual(await kept(), []);
      await page.locator('#passage .word').nth(5).click();
      await page.mouse.move(1, 1);
      assert.deepEqual(await kept(), [made.texts[5]]);
      await page.getByRole('button', { name: 'Show all words' }).click();
      await page.mouse.move(1, 1);
      assert.deepEqual(await kept(), []);
      await page.context().close();
    });

    it('can be used from the keyboard alone', async () => {
      const { page } = await openPage(browser, made.path);
      const focused = () => page.evaluate<string>('look.focused()');
      const reading = async () => (await page.locator('#reading').textContent()) ?? '';
      await page.keyboard.press('Tab');
      await page.keyboard.press('ArrowRight');
      assert.equal(await page.locator('#head-title').textContent(), heads[1].title);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Space');
      assert.equal(await page.getByLabel('Causal').isChecked(), true);
      for (let tabs = 0; tabs < 6 && (await focused()) !== 'cells'; tabs++) await page.keyboard.press('Tab');
      assert.equal(await focused(), 'cells');
      const at = (row: number, column: number) => `${made.texts[row]} → ${made.texts[column]}: `;
      assert.ok((await reading()).startsWith(at(20, 20)), await reading());
      for (const key of ['ArrowDown', 'ArrowLeft', 'ArrowLeft']) await page.keyboard.press(key);
      const value = await reading();
      assert.ok(value.startsWith(at(21, 18)), value);
      expectNumber(value.slice(at(21, 18).length), made.weight(1, true, 21, 18));
      for (let tabs = 0; tabs < 4 && !(await focused()).includes('query'); tabs++)
        await page.keyboard.press('Tab');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowDown');
      const selected = page.locator('.words.query [aria-selected=true] .word');
      assert.equal(await selected.textContent(), made.texts[21]);
      await page.context().close();
    });

    it('lists what a word looks at through every head', async () => {
      const { page } = await openPage(browser, made.path);
      const cards = await page.evaluate<string[][][]>('look.cards()');
      cards.forEach((items, head) => {
        const [[name, distance, number]] = items;
        const weights = made.texts.map((_, key) => made.weight(head, false, 20, key));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        if (total < 0.5) assert.deepEqual([name, number], ['nothing', '1.00']);
        else {
          const steps = distance === 'itself' ? 0 : Number(distance.replace('−', '-'));
          assert.equal(name, made.texts[20 + steps]);
          assert.equal(Math.max(...weights), weights[20 + steps]);
          expectNumber(number, weights[20 + steps]);
        }
      });
      assert.equal(cards.length, heads.length);
      await page.context().close();
    });

    it('can be read in the light and in the dark', async () => {
      for (const scheme of ['light', 'dark'] as const) {
        const { page } = await openPage(browser, made.path, scheme);
        for (let head = 0; head < heads.length; head++) {
          await chooseHead(page, head);
          const contrasts = await page.evaluate<Record<string, number>>('look.contrasts()');
          for (const [where, contrast] of Object.entries(contrasts)) {
            assert.ok(contrast >= 4.5, `${scheme}: ${where} has a contrast of ${contrast.toFixed(2)}`);
          }
        }
        await page.context().close();
      }
    });
  });

  it('shows a stretch of a long text, says so, and tells what falls outside', async () => {
    const words = randomText(random, randomVocabulary(random, 40), 300);
    // Ensures that the same word also occurs outside the range, which one text in ninety would lack.
    words[0] = words[200];
    const made = await make('long', words.join(' '), 200);
    const { page } = await openPage(browser, made.path);
    assert.equal(await page.locator('.words.query li').count(), mostWords);
    const { start, end } = made.stretch;
    assert.equal(end - start, mostWords);
    assert.match(
      (await page.locator('#window-note').textContent()) ?? '',
      new RegExp(`shows ${mostWords} of the text's 300 words, from number ${start + 1} to number ${end}`),
    );
    const shown = await page
      .locator('.card')
      .first()
      .locator('.aside', { hasText: 'words not shown' })
      .locator('.number');
    const outside = words
      .map((_, key) => (key < start || key >= end ? made.weight(0, false, 200 - start, key) : 0))
      .reduce((sum, weight) => sum + weight, 0);
    assert.ok(outside > 0.01);
    expectNumber((await shown.textContent()) ?? '', outside);
    for (const row of [0, 57, mostWords - 1]) {
      const number = (await pointAt(page, row, row)).split(': ')[1];
      expectNumber(number, made.weight(0, false, row, start + row));
    }
    await page.context().close();
  });

  it('shows a text for what it is, whatever stands in it', async () => {
    const text = 'a </script><script>document.title = "changed"</script> <b>bold</b> <!-- and &amp; so on';
    const made = await make('markup', text, 0);
    const { page, complaints } = await openPage(browser, made.path);
    assert.equal(await page.title(), 'What each head looks at · heed');
    assert.equal(await page.locator('#passage').textContent(), text);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  it('shows a single word', async () => {
    const made = await make('single', 'Alone.', 0);
    const { page, complaints } = await openPage(browser, made.path);
    assert.equal(await pointAt(page, 0, 0), `Alone → Alone: ${formatWeight(1)}`);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
});
