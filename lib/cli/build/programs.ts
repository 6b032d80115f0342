/** Finds the programs that a build needs, and checks that they run. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program that runs. */
export interface Program {
  /** Its name: the tools search the same PATH. */
  readonly command: string;
  readonly path: string;
  /** What it is, such as 'cmake version 3.25.1'. */
  readonly description: string;
}

/** The result of a search: the program to use, or why the existing ones cannot be used. */
export interface Sought {
  /** Its name in messages if none is found. */
  readonly name: string;
  readonly program?: Program;
  /** For every program that was rejected, a sentence without its full stop. */
  readonly problems: readonly string[];
}

/** Milliseconds for a program to print its version. */
const patience = 20_000;

export interface Said {
  readonly succeeded: boolean;
  readonly output: string;
  /** Why it failed. */
  readonly why: string;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export function searchPath(): string[] {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
}

/** The path of a command. */
export function locate(command: string): string | undefined {
  if (command === '') return undefined;
  if (command.includes('/')) return isProgram(command) ? command : undefined;
  return searchPath()
    .map((folder) => join(folder, command))
    .find(isProgram);
}

/** The most informative line of an error message: the last of a Python traceback, else the first. */
function tellingLine(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const known = lines.find((line) => /\b(error|not found|cannot|no such)\b/i.test(line));
  return known ?? (lines[0]?.startsWith('Traceback') ? lines.at(-1) : lines[0]) ?? '';
}

/** Runs a short program. */
export function ask(path: string, args: readonly string[], input = ''): Said {
  const { status, signal, error, stdout, stderr } = spawnSync(path, args, {
    encoding: 'utf8',
    input,
    timeout: patience,
    killSignal: 'SIGKILL',
  });
  const output = `${stdout ?? ''}${stderr ?? ''}`;
  if (status === 0) return { succeeded: true, output: stdout || stderr, why: '' };
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ETIMEDOUT') return { succeeded: false, output, why: `no answer within ${patience / 1000} s` };
  // A program that has not read its input causes an error as well.
  const ended = status !== null ? `exit code ${status}` : (error?.message ?? `ended by ${signal}`);
  return { succeeded: false, output, why: tellingLine(stderr || stdout || '') || ended };
}

/** The first number with a dot. */
export function versionIn(description: string): string | undefined {
  return /(\d+(?:\.\d+)+)/.exec(description)?.[1];
}

/**
 * The first of these commands that runs and has no objection.
 *
 * @param objection why a program that runs cannot be used, as the rest of a sentence that begins with its path
 */
export function seek(
  name: string,
  commands: readonly string[],
  objection: (description: string) => string | undefined = () => undefined,
): Sought {
  const problems: string[] = [];
  for (const command of new Set(commands)) {
    const path = locate(command);
    if (path === undefined) continue;
    const { succeeded, output, why } = ask(path, ['--version']);
    const description = output.split('\n')[0].trim();
    const wrong = succeeded ? objection(description) : `does not run: ${why}`;
    if (wrong === undefined) return { name, program: { command, path, description }, problems };
    problems.push(`${path} ${wrong}`);
  }
  return { name, problems };
}
