/** Running a build tool: a progress bar while it works, its complaints when it fails. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Progress } from '../progress.js';
import { place, type Tool, tools } from './tools.js';

export interface Outcome {
  readonly succeeded: boolean;
  /** The lines that tell what went wrong, or the last ones. */
  readonly complaints: readonly string[];
  /** The file with everything that the tool said. */
  readonly log: string;
}

const compiling = /Building CXX object \S*?([\w-]+\.cc)|CXX\(target\) \S*?([\w-]+)\.o$/;
const complaint = /\b(error|Error|ERR!)\b|undefined reference|cannot find/;
const mostComplaints = 12;

function unitsToCompile(root: string): number {
  const sources = JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8'));
  const { core, cpu, decoder, addon, kernels } = sources;
  const files: string[] = [core, cpu, decoder, addon].flat();
  return files.length + Object.keys(kernels.instructionSets).length;
}

function complaintsAmong(lines: readonly string[]): string[] {
  const found = lines.filter((line) => complaint.test(line));
  return (found.length > 0 ? found : lines.slice(-mostComplaints)).slice(0, mostComplaints);
}

async function collect(stream: NodeJS.ReadableStream, onLine: (line: string) => void): Promise<void> {
  for await (const line of createInterface({ input: stream })) onLine(line);
}

export async function runTool(tool: Tool, root: string): Promise<Outcome> {
  tools[tool].prepare(root);
  const child = spawn(process.execPath, tools[tool].command(root), {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  using progress = new Progress(unitsToCompile(root));
  const listen = (line: string) => {
    lines.push(line);
    const unit = compiling.exec(line);
    if (unit) progress.begin(unit[1] ?? `${unit[2]}.cc`);
  };
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on('error', reject).on('close', resolve),
  );
  const [status] = await Promise.all([ended, collect(child.stdout, listen), collect(child.stderr, listen)]);
  const log = join(root, 'build', `${tool}.log`);
  mkdirSync(join(root, 'build'), { recursive: true });
  writeFileSync(log, `${lines.join('\n')}\n`);
  if (status === 0) place(tool, root);
  return { succeeded: status === 0, complaints: status === 0 ? [] : complaintsAmong(lines), log };
}
