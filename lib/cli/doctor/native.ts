/** The state of the native addon. */
import { existsSync, lstatSync } from 'node:fs';
import { prebuiltAddons } from '../../backends/native/load.js';
import { availableInstructionSets, nativeStatus } from '../../backends/native/native.js';
import { remedies } from '../../backends/native/remedies.js';
import { environment } from '../../environment.js';
import { packageRoot } from '../../package-root.js';
import { portrait } from '../addon/portrait.js';
import { whyNotReady } from '../addon/readiness.js';
import { addonPath } from '../build/tools.js';
import { processorInstructionSets } from '../processor.js';
import type { Finding, Section } from './finding.js';

const title = 'Native addon';

/** How to fix it if the addon is missing or cannot be used. */
function remedyFor(what: 'build the native addon' | 'rebuild it'): string {
  if (environment().addon !== undefined) return remedies().join('; ');
  return `${what}: npx heed build (in a checkout of heed: npm run build)`;
}

/** The one that heed would load first. */
function firstAddon(): string | undefined {
  const { addon } = environment();
  if (addon !== undefined) return existsSync(addon) ? addon : undefined;
  const inPlace = addonPath(packageRoot);
  if (lstatSync(inPlace, { throwIfNoEntry: false }) !== undefined) return inPlace;
  return prebuiltAddons().find((path) => existsSync(path));
}

/** What its file says, which can be read even if it does not load. */
function describeFile(path: string): Finding[] {
  const seen = portrait(path);
  if (seen === undefined) return [];
  const { machine, libc, glibc, instructionSets, cuda } = seen;
  const needs = libc === undefined ? '' : `, ${libc}${glibc === undefined ? '' : ` ${glibc} or later`}`;
  const has = processorInstructionSets(packageRoot);
  const usable = instructionSets?.filter((set) => has?.includes(set));
  const kernels =
    instructionSets === undefined
      ? 'unknown, since its file is stripped'
      : `${instructionSets.join(', ')}${has === undefined ? '' : `; this processor has ${usable?.join(', ')}`}`;
  return [
    { name: 'is for', value: `${machine}${needs}` },
    { name: 'kernels', value: `${kernels}${cuda ? '; and for GPUs' : ''}` },
  ];
}

export interface NativeFindings {
  readonly section: Section;
  /** Whether it may be loaded: an addon that crashes the process would end the doctor, too. */
  readonly harmless: boolean;
}

/** @throws Stopped */
export async function examineNative(): Promise<NativeFindings> {
  const path = firstAddon();
  const file = path === undefined ? [] : describeFile(path);
  // In a separate process, before it is loaded in this one.
  const why = path === undefined ? undefined : await whyNotReady(path);
  if (path !== undefined && why !== undefined && /^(crashes|ends|has not answered)/.test(why)) {
    const remedy = `${path} ${why}: rebuild it: npx heed build --force`;
    const findings = [{ name: 'addon', value: `not loaded: ${path} ${why}`, remedy }, ...file];
    return { harmless: false, section: { title, findings } };
  }
  return { harmless: true, section: { title, findings: examineLoaded(file, path, why) } };
}

function examineLoaded(
  file: readonly Finding[],
  first: string | undefined,
  why: string | undefined,
): Finding[] {
  const { loaded, path, tried, why: whyNotLoaded, instructionSet, threads } = nativeStatus();
  const attempts: Finding[] = tried.map((attempt) => ({ name: 'tried', value: attempt }));
  const unfit: Finding[] =
    first === undefined || why === undefined
      ? []
      : [{ name: 'not usable', value: `${first} ${why}`, remedy: remedyFor('rebuild it') }];
  if (!loaded) {
    const addon = { name: 'addon', value: `not loaded: ${whyNotLoaded}` };
    const remedy = remedyFor('build the native addon');
    return [...attempts, unfit.length > 0 ? addon : { ...addon, remedy }, ...unfit, ...file];
  }
  return [
    ...attempts,
    { name: 'loaded', value: String(path) },
    ...unfit,
    ...file,
    { name: 'instruction set', value: `${instructionSet}, of ${availableInstructionSets().join(', ')}` },
    { name: 'threads', value: String(threads) },
  ];
}
