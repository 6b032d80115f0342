/** `heed build`: sees to it that there is a native addon that works. */
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, relative } from 'node:path';
import { environment } from '../environment.js';
import { HeedError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { whyNotReady } from './addon/readiness.js';
import { announceCpu } from './build/announcement.js';
import { seekCompiler } from './build/compiler.js';
import { blamesMachine, explain, isSystemError } from './build/complaints.js';
import type { Sought } from './build/programs.js';
import { remediesFor } from './build/remedies.js';
import { runTool } from './build/run.js';
import { fingerprint, hashOfSources, writeStamp } from './build/stamp.js';
import { addonPath, allTools, survey, type Tool, type Way, wayOf } from './build/tools.js';
import { findUsable, isCheckout } from './build/usable.js';
import { removeFolder } from './build/work-folder.js';
import { Stopped } from './supervised/run.js';

export interface BuildOptions {
  /** Builds with this tool rather than with the first that works. */
  with?: Tool;
  /** Builds even where a usable addon is there. */
  force?: boolean;
  /** Says nothing where nothing had to be done. */
  silentIfReady?: boolean;
}

function say(message: string): void {
  console.error(`heed: ${message}`);
}

/** As a reader would write the path, who may be in a folder that is gone. */
function shown(path: string): string {
  try {
    return relative(process.cwd(), path);
  } catch {
    return path;
  }
}

/** Renamed into place: a process that has the old one loaded keeps it, and no other sees a part of the new one. */
function putInPlace(made: string, target: string): void {
  const beside = `${target}.new`;
  try {
    copyFileSync(made, beside);
    if (statSync(target, { throwIfNoEntry: false })?.isDirectory()) rmSync(target, { recursive: true });
    renameSync(beside, target);
  } finally {
    rmSync(beside, { force: true });
  }
}

/** One call of `heed build`: what was found out so far. */
class Build {
  readonly #root: string;
  /** What was looked for in vain. */
  readonly #lacking = new Map<string, Sought>();
  readonly #said = new Set<string>();
  #complaints: readonly string[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** Whether one of the tools has given an addon that works. */
  async run(candidates: readonly Tool[]): Promise<boolean> {
    this.#expectWritable();
    const compiler = seekCompiler();
    for (const tool of candidates) {
      const way = this.#prepare(tool, compiler);
      if (way !== undefined && (await this.#buildWith(way))) return true;
      if (blamesMachine(this.#complaints)) return false;
    }
    return false;
  }

  /** Why there is no native backend, and what to do. */
  explain(): void {
    const lacking = [...this.#lacking.values()];
    const absent = lacking.filter(({ problems }) => problems.length === 0).map(({ name }) => name);
    const why = [
      ...(absent.length > 0 ? [`this machine has no ${absent.join(', no ')}`] : []),
      ...(lacking.length > absent.length ? ['what it has will not do, as is said above'] : []),
      ...(this.#complaints.length > 0 ? ['building it has failed'] : []),
    ];
    sayWhatToDo(why.join('; '), remediesFor(lacking, this.#complaints), this.#root);
  }

  /** Found out now rather than after minutes. */
  #expectWritable(): void {
    const folder = dirname(addonPath(this.#root));
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
  }

  #sayOnce(message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    say(message);
  }

  #prepare(tool: Tool, compiler: Sought): Way | undefined {
    if (process.platform === 'win32') return undefined;
    const found = survey(tool, this.#root, compiler);
    for (const sought of found.needs) {
      const { name, program, problems } = sought;
      for (const problem of problems) this.#sayOnce(problem);
      if (program === undefined) this.#lacking.set(name, sought);
      else if (problems.length > 0) this.#sayOnce(`taking ${program.path} (${program.description}) instead`);
    }
    return wayOf(found, this.#root);
  }

  async #buildWith(way: Way): Promise<boolean> {
    const { tool, folder, made } = way;
    const root = this.#root;
    say(`${announceCpu(way, root)} …`);
    const hash = hashOfSources(root);
    const began = performance.now();
    try {
      const { succeeded, complaints, log } = await runTool(way, root, say);
      const why = succeeded ? await whyNotReady(made) : undefined;
      if (succeeded && why === undefined) {
        const target = addonPath(root);
        putInPlace(made, target);
        writeStamp(root, { hash, tool, worked: fingerprint(target) });
        const seconds = ((performance.now() - began) / 1000).toFixed(0);
        say(`built ${shown(target)} in ${seconds} s`);
        return true;
      }
      this.#complaints = why === undefined ? complaints : [why];
      say(succeeded ? `what ${tool} has built ${why}` : `${tool} has failed: ${complaints[0] ?? ''}`);
      for (const line of complaints.slice(1)) console.error(`  ${line}`);
      if (log !== undefined) say(`everything that it said is in ${shown(log)}`);
      return false;
    } finally {
      // Where heed is installed nobody builds it again from what was compiled.
      if (!isCheckout(root)) removeFolder(folder);
    }
  }
}

function sayWhatToDo(why: string, remedies: readonly string[], root: string): void {
  const path = addonPath(root);
  if (existsSync(path)) say(`nothing was built, ${why}; ${shown(path)} stays as it was. What to do:`);
  else say(`no native backend, ${why}; heed runs on its slow reference backend. What to do:`);
  for (const remedy of remedies) console.error(`  ${remedy}`);
}

async function attempt(options: BuildOptions, root: string): Promise<number> {
  const { cuda, requireNative } = environment();
  const failure = options.with || requireNative || cuda === 'ON' ? 1 : 0;
  try {
    if (!options.force) {
      const { path, passedOver } = await findUsable(root, options.with);
      for (const unusable of passedOver) say(`${shown(unusable.path)} ${unusable.why}`);
      if (path !== undefined) {
        if (!options.silentIfReady || passedOver.length > 0)
          say(`the native backend is ready: ${shown(path)}`);
        return 0;
      }
    }
    const candidates = options.with ? [options.with] : allTools;
    const able = candidates.filter((tool) => cuda !== 'ON' || tool === 'cmake-js');
    if (able.length === 0) {
      say('HEED_CUDA is ON, and node-gyp does not build the cuda backend: leave out --with node-gyp');
      return failure;
    }
    const building = new Build(root);
    if (await building.run(able)) return 0;
    building.explain();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const { what, remedy } = explain(error);
    sayWhatToDo(what, [remedy], root);
  }
  return failure;
}

/**
 * Takes an addon that is there and works, else builds one with cmake-js, else with node-gyp, else says why there is
 * only the reference backend. The answer is an exit code: without an addon it is 0 all the same, as
 * heed works without, unless HEED_REQUIRE_NATIVE=1, HEED_CUDA=ON, or a tool was asked for; stopped by a signal, 128 and its
 * number.
 */
export async function build(options: BuildOptions = {}, root = packageRoot): Promise<number> {
  try {
    return await attempt(options, root);
  } catch (error) {
    if (error instanceof Stopped) {
      say(`${error.message}: nothing that was begun runs on, and nothing half-made is left`);
      return error.exitCode;
    }
    if (!(error instanceof HeedError)) throw error;
    say(error.message);
    return 1;
  }
}
