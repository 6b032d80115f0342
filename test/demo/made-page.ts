/** Pages of attention weights on disk, their expected contents, and user actions on them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { embed } from '../../lib/demo/embedding.js';
import { layers } from '../../lib/demo/heads.js';
import { collectPage, type Stretch, stretchAround } from '../../lib/demo/page/collect.js';
import { renderPage } from '../../lib/demo/page/page.js';
import { TwoLayers } from '../../lib/demo/two-layers.js';
import { readWords } from '../../lib/demo/words.js';

export const heads = layers.flatMap((layer) => layer.heads);

/** A page on disk and the weights that it should show. */
export interface MadePage {
  readonly path: string;
  readonly texts: readonly string[];
  readonly stretch: Stretch;
  /** The weight of the word `column` of the whole text for the shown word `row`. */
  weight(head: number, causal: boolean, row: number, column: number): number;
}

/** Writes the page of a text to a folder. */
export async function makePage(
  file: (name: string) => string,
  name: string,
  text: string,
  chosen: number,
): Promise<MadePage> {
  const { words } = readWords(text);
  const stretch = stretchAround(chosen, words.length);
  const rows = Array.from({ length: stretch.end - stretch.start }, (_, i) => stretch.start + i);
  using open = await TwoLayers.load(false);
  using causal = await TwoLayers.load(true);
  const vectors = embed(words);
  const findings = { open: await open.examine(vectors, rows), causal: await causal.examine(vectors, rows) };
  const source = {
    title: name,
    words,
    stretch,
    chosen,
    causal: false,
    heads: heads.map((head, i) => ({
      ...head,
      open: findings.open.weights[i],
      causal: findings.causal.weights[i],
    })),
    facts: [['made by', 'a test']],
  } as const;
  const path = file(`${name}.html`);
  writeFileSync(path, await renderPage(collectPage(source)));
  return {
    path,
    texts: words.map((word) => word.text),
    stretch,
    weight: (head, hidden, row, column) =>
      (hidden ? findings.causal : findings.open).weights[head][row * words.length + column],
  };
}

export const chooseHead = (page: Page, head: number) => page.getByText(heads[head].title).first().click();
export const switchCausal = (page: Page, on: boolean) =>
  page.getByLabel('Causal').setChecked(on, { force: true });

/** Moves the pointer to a cell of the heat map, scrolling it into view. */
export async function pointAt(page: Page, row: number, column: number): Promise<string> {
  await page.mouse.move(1, 1);
  await page.evaluate(`look.scrollToCell(${row}, ${column})`);
  const count = await page.locator('#heat-map .rows span').count();
  const box = await page.locator('.cells').boundingBox();
  assert.ok(box);
  await page.mouse.move(
    box.x + ((column + 0.5) / count) * box.width,
    box.y + ((row + 0.5) / count) * box.height,
  );
  return (await page.locator('#tooltip').textContent()) ?? '';
}

/** The last of three digits of a weight may differ by one, as the page keeps eleven bits of it. */
export function expectNumber(shown: string | undefined, weight: number): void {
  if (shown === '0') assert.ok(weight < 1e-7, `${shown} for ${weight}`);
  else if (shown === '< 0.001') assert.ok(weight < 0.0010005, `${shown} for ${weight}`);
  else {
    const step = 10 ** (Math.floor(Math.log10(weight)) - 2);
    assert.ok(Math.abs(Number(shown) - weight) <= 0.5 * step + weight * 2 ** -11, `${shown} for ${weight}`);
  }
}
