/** `heed build`: makes sure that there is a working native addon. */
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
import { announceCpu, announceParts } from './build/announcement.js';
import { seekCompiler } from './build/compiler.js';
import { blamesMachine, explain, isSystemError } from './build/complaints.js';
import { type Parts, partsOf } from './build/parts.js';
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
  /** Builds even if a usable addon exists. */
  force?: boolean;
  /** Prints nothing if nothing had to be done. */
  silentIfReady?: boolean;
  /** Builds for this processor alone, and without the cuda backend: soonest ready. */
  forThisMachine?: boolean;
}

function say(message: string): void {
  console.error(`heed: ${message}`);
}

/** The path relative to the working directory, or as it is if that does not exist any more. */
function shown(path: string): string {
  try {
    return relative(process.cwd(), path);
  } catch {
    return path;
  }
}

/**
 * Renamed into place: a process that has loaded the old one keeps it, and no process sees a partly written
 * one.
 */
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

/** One call of `heed build`: what is known so far. */
class Build {
  readonly #root: string;
  readonly #parts: Parts;
  /** What was not found. */
  readonly #lacking = new Map<string, Sought>();
  readonly #said = new Set<string>();
  #complaints: readonly string[] = [];

  constructor(root: string, parts: Parts) {
    this.#root = root;
    this.#parts = parts;
  }

  /** Whether one of the tools has built a working addon. */
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

  /** Prints why there is no native backend, and how to fix it. */
  explain(): void {
    const lacking = [...this.#lacking.values()];
    const absent = lacking.filter(({ problems }) => problems.length === 0).map(({ name }) => name);
    const why = [
      ...(absent.length > 0 ? [`this machine has no ${absent.join(', no ')}`] : []),
      ...(lacking.length > absent.length ? ['its tools are not suitable, see above'] : []),
      ...(this.#complaints.length > 0 ? ['building it failed'] : []),
    ];
    sayWhatToDo(why.join('; '), remediesFor(lacking, this.#complaints), this.#root);
  }

  /** Checks now what would otherwise fail after minutes. */
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
      else if (problems.length > 0) this.#sayOnce(`using ${program.path} (${program.description}) instead`);
    }
    return wayOf(found, this.#root, this.#parts);
  }

  async #buildWith(way: Way): Promise<boolean> {
    const { tool, folder, made } = way;
    const root = this.#root;
    say(`${announceCpu(way)} …`);
    const without = announceParts(this.#parts);
    if (without !== undefined) say(without);
    const hash = hashOfSources(root);
    const began = performance.now();
    try {
      const { succeeded, complaints, log } = await runTool(way, root, say);
      const why = succeeded ? await whyNotReady(made) : undefined;
      if (succeeded && why === undefined) {
        const target = addonPath(root);
        putInPlace(made, target);
        writeStamp(root, { hash, tool, leftOut: this.#parts.leftOut, worked: fingerprint(target) });
        const seconds = ((performance.now() - began) / 1000).toFixed(0);
        say(`built ${shown(target)} in ${seconds} s`);
        return true;
      }
      this.#complaints = why === undefined ? complaints : [why];
      say(succeeded ? `the addon that ${tool} has built ${why}` : `${tool} failed: ${complaints[0] ?? ''}`);
      for (const line of complaints.slice(1)) console.error(`  ${line}`);
      if (log !== undefined) say(`the whole output is in ${shown(log)}`);
      return false;
    } finally {
      // An installed heed is not built again from the compiled files.
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
    const parts = partsOf(root, options.forThisMachine ?? false);
    if (!options.force) {
      const { path, passedOver } = await findUsable(root, { tool: options.with, parts });
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
    const building = new Build(root, parts);
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
 * Uses an existing addon that works, else builds one with cmake-js, else with node-gyp, else prints why there
 * is only the reference backend. Returns an exit code: 0 even without an addon, because heed works without
 * one, unless HEED_REQUIRE_NATIVE=1, HEED_CUDA=ON, or a tool was requested; after a signal, 128 plus its
 * number.
 */
export async function build(options: BuildOptions = {}, root = packageRoot): Promise<number> {
  try {
    return await attempt(options, root);
  } catch (error) {
    if (error instanceof Stopped) {
      say(`${error.message}: what was started has ended, and partial files are removed`);
      return error.exitCode;
    }
    if (!(error instanceof HeedError)) throw error;
    say(error.message);
    return 1;
  }
}
