/** A real browser that shows one page. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { keepVariables } from '../support/variables.js';

/** How the browser is started. */
interface Program {
  readonly executablePath: string;
  readonly env?: NodeJS.ProcessEnv;
}

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/**
 * The browser from a package, with the libraries that it needs. The package is made for cloud functions, and
 * installs its libraries only if it detects such an environment.
 */
async function packaged(): Promise<Program> {
  const restore = keepVariables();
  process.env.VERCEL = '1';
  try {
    const { default: browser } = await import('@sparticuz/chromium');
    const executablePath = await browser.executablePath();
    return { executablePath, env: { ...process.env } };
  } finally {
    restore();
  }
}

/** Starts an installed browser, or the one installed as a package. */
export async function launchBrowser(): Promise<Browser> {
  const there = places.find(existsSync);
  const { executablePath, env }: Program = there === undefined ? await packaged() : { executablePath: there };
  const off = ['gpu', 'quic', 'background-networking', 'component-update', 'sync'];
  return await chromium.launch({
    executablePath,
    ...(env && { env }),
    args: ['--headless', '--no-sandbox', '--no-first-run', ...off.map((feature) => `--disable-${feature}`)],
  });
}

export interface Opened {
  readonly page: Page;
  /** All requests of the browser. */
  readonly requests: string[];
  /** All errors in the page. */
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
