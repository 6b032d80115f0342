/** `heed build`: sees to it that the native addon is there. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { environment } from '../environment.js';
import { prebuiltAddons } from '../native/load.js';
import { packageRoot } from '../package-root.js';
import { runTool } from './build/run.js';
import { hashOfSources, readStamp, writeStamp } from './build/stamp.js';
import { addonPath, missingFor, type Tool } from './build/tools.js';

export interface BuildOptions {
  /** Builds with this tool rather than with the first that works. */
  with?: Tool;
  /** Builds even where a usable addon is there. */
  force?: boolean;
}

function say(message: string): void {
  console.error(`heed: ${message}`);
}

/** In a process of its own: what is wrong with an addon may end the process that loads it. */
function loads(path: string): boolean {
  const { status } = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', path], {
    stdio: 'ignore',
  });
  return status === 0;
}

/** The addon that serves as it is, if there is one. */
export function usableAddon(tool?: Tool, root = packageRoot): string | undefined {
  const stamp = readStamp(root);
  const fits = stamp?.hash === hashOfSources(root) && (tool ?? stamp.tool) === stamp.tool;
  if (fits && existsSync(addonPath(root))) return addonPath(root);
  return tool === undefined ? prebuiltAddons(root).find(loads) : undefined;
}

/** What to do for a machine that lacks something. */
export function remedies(missing: ReadonlySet<string>): string[] {
  if (missing.size === 0) return ['report this with the log: it should have worked'];
  if (process.platform === 'darwin') return ['install the command line tools: xcode-select --install'];
  if (process.platform === 'linux') {
    return [
      'on Debian or Ubuntu: apt-get install g++ make cmake',
      'on Fedora: dnf install gcc-c++ make cmake',
      'on Alpine: apk add g++ make cmake',
    ];
  }
  return ['the native backend needs Linux or macOS'];
}

/** Whether the tool has given an addon that loads; says why not. */
async function buildWith(tool: Tool, root: string): Promise<boolean> {
  say(`building the native backend with ${tool} …`);
  const hash = hashOfSources(root);
  const began = performance.now();
  const { succeeded, complaints, log } = await runTool(tool, root);
  if (succeeded && loads(addonPath(root))) {
    writeStamp(root, { hash, tool });
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    say(`built ${relative(process.cwd(), addonPath(root))} in ${seconds} s`);
    return true;
  }
  say(succeeded ? `what ${tool} has built does not load` : `${tool} has failed:`);
  for (const line of complaints) console.error(`  ${line}`);
  say(`everything that it said is in ${log}`);
  return false;
}

/**
 * Takes a usable addon, else builds one with cmake-js, else with node-gyp, else says why there is
 * only the reference backend. The answer is an exit code: without an addon it is 0 all the same, as
 * heed works without, unless HEED_REQUIRE_NATIVE=1 or a tool was asked for.
 */
export async function build(options: BuildOptions = {}, root = packageRoot): Promise<number> {
  const usable = options.force ? undefined : usableAddon(options.with, root);
  if (usable !== undefined) {
    say(`the native backend is ready: ${relative(process.cwd(), usable)}`);
    return 0;
  }
  const missing = new Set<string>();
  const candidates: Tool[] = options.with ? [options.with] : ['cmake-js', 'node-gyp'];
  for (const tool of candidates) {
    const lacking = missingFor(tool);
    for (const need of lacking) missing.add(need);
    if (lacking.length === 0 && (await buildWith(tool, root))) return 0;
  }
  const why =
    missing.size > 0 ? `this machine has no ${[...missing].join(', no ')}` : 'building it has failed';
  say(`no native backend, ${why}; heed runs on its slow reference backend. What to do:`);
  for (const remedy of remedies(missing)) console.error(`  ${remedy}`);
  return options.with || environment().requireNative ? 1 : 0;
}
