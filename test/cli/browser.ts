/** A real browser, looking at one page. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** @throws AssertionError that says how to install one */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = places.find(existsSync);
  assert.ok(
    executablePath,
    `Expected Chromium at one of ${places.join(', ')}; on Debian or Ubuntu, apt-get install chromium`,
  );
  const off = ['gpu', 'quic', 'background-networking', 'component-update', 'sync'];
  return await chromium.launch({
    executablePath,
    args: ['--headless', '--no-sandbox', '--no-first-run', ...off.map((feature) => `--disable-${feature}`)],
  });
}

export interface Opened {
  readonly page: Page;
  /** Everything that the browser asked for. */
  readonly requests: string[];
  /** Everything that went wrong in the page. */
  readonly complaints: string[];
}

export async function openPage(
  browser: Browser,
  path: string,
  colorScheme: 'light' | 'dark' = 'light',
): Promise<Opened> {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1440, height: 1000 } });
  const page = await context.newPage();
  await page.addInitScript({ path: join(__dirname, 'in-page/look.js') });
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(pathToFileURL(path).href);
  return { page, requests, complaints };
}
