/** Runs a build tool, with a progress bar while it works and its complaints if it fails. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Progress } from '../progress.js';
import { runSupervised } from '../supervised/run.js';
import { announceWithoutCuda, CudaAnnouncement, unitsToCompile } from './announcement.js';
import { complaintsAmong } from './complaints.js';
import { settingsOf, type Tool, type Way } from './tools.js';
import { closeFolder, openFolder, removeFolder } from './work-folder.js';

export interface Outcome {
  readonly succeeded: boolean;
  /** The lines that explain the failure, or the last ones. */
  readonly complaints: readonly string[];
  /** The file with the whole output of the tool; undefined if it could not be written. */
  readonly log: string | undefined;
}

const compiling =
  /Building CXX object \S*?([\w-]+)\.dir\/Unity\/|Building (?:CXX|CUDA) object \S*?([\w-]+\.(?:cc|cu))|CXX\(target\) \S*?([\w-]+)\.o$/;

function writeLog(file: string, lines: readonly string[]): string | undefined {
  try {
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  } catch {
    // If the disk is full, the build has failed for the same reason and has reported it.
    return undefined;
  }
}

/** The progress bar of compiled units: of files, or of parts whose files are compiled together. */
class Compilation implements Disposable {
  #progress: Progress | undefined;

  constructor(
    private readonly root: string,
    private readonly tool: Tool,
    private readonly instructionSets: readonly string[],
  ) {}

  listen(line: string, cuda: boolean): void {
    const [, part, file, object] = compiling.exec(line) ?? [];
    const label = part ?? file ?? (object && `${object}.cc`);
    if (label === undefined) return;
    this.#progress ??= new Progress(unitsToCompile(this.root, this.tool, this.instructionSets, cuda));
    this.#progress.begin(label);
  }

  [Symbol.dispose](): void {
    this.#progress?.[Symbol.dispose]();
  }
}

/**
 * @param say prints what is built, as soon as that is known
 * @throws Stopped, after a signal; no partial files are left then
 */
export async function runTool(way: Way, root: string, say: (message: string) => void): Promise<Outcome> {
  const { tool, folder, command, env, configured, furnish, parts } = way;
  const settings = settingsOf(way);
  const before = openFolder(folder, settings);
  furnish?.();
  const lines: string[] = [];
  const announcement = new CudaAnnouncement();
  let cuda = before?.cuda ?? announceWithoutCuda(tool, parts);
  if (cuda) say(cuda);
  using compilation = new Compilation(root, tool, parts.instructionSets);
  const onLine = (line: string) => {
    lines.push(line);
    const news = announcement.listen(line);
    if (news !== undefined && news !== cuda) {
      cuda = news;
      say(cuda);
    }
    compilation.listen(line, cuda?.startsWith('building') ?? false);
  };
  try {
    const { status } = await runSupervised(command, { cwd: root, env, onLine });
    closeFolder(folder, configured, { settings, cuda });
    const log = writeLog(join(root, 'build', `${tool}.log`), lines);
    return { succeeded: status === 0, complaints: status === 0 ? [] : complaintsAmong(lines), log };
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
}
