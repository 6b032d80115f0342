/** Whether an addon can be used: it fits the machine, loads, and computes what the reference computes. */
import { constants } from 'node:os';
import { join } from 'node:path';
import { runSupervised } from '../supervised/run.js';
import { misfit } from './portrait.js';

/** Seconds. It takes half a second, and ten on emulated machines. */
const usualLimit = 120;

function nameOf(signal: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
}

function crash(status: number): string {
  const signal = nameOf(status - 128);
  if (signal === undefined) return `ends the process that uses it, with exit code ${status}`;
  const why = signal === 'SIGILL' ? ', as an addon compiled for another processor does' : '';
  return `crashes the process that uses it (${signal}${why})`;
}

/** The user's variables for computing must not influence the check of an addon. */
function withoutVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEED_')));
}

/** Why it cannot be used, as the rest of a sentence that begins with its path; undefined if it can. */
export async function whyNotReady(path: string, limit = usualLimit): Promise<string | undefined> {
  const unfit = misfit(path);
  if (unfit !== undefined) return unfit;
  const lines: string[] = [];
  const { status, expired } = await runSupervised([process.execPath, join(__dirname, 'check.js')], {
    env: { ...withoutVariables(), HEED_ADDON: path },
    limit,
    onLine: (line) => lines.push(line),
  });
  if (expired) return `did not answer within ${limit} s`;
  const found = lines.find((line) => line.startsWith('['));
  if (status !== 0 || found === undefined) return crash(status);
  const [complaint]: string[] = JSON.parse(found);
  return complaint;
}
