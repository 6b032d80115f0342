/** Runs the command line as a user's shell does. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../lib/package-root.js';

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  /** The folder in which it runs. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The folder in which heed is installed. */
  readonly root?: string;
}

export function runHeed(args: readonly string[], { cwd, env, root = packageRoot }: Surroundings = {}): Ended {
  const main = join(root, 'dist/lib/cli/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: cwd ?? packageRoot,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}
