/** A real browser, looking at one page. */
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
 * The browser that comes as a package, with the libraries that it takes: it is made for functions in the cloud, and brings
 * its libraries along only where it takes the machine for one.
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

/** One that is there, else the one that was installed with the packages. */
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
