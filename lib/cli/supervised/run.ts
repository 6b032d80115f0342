/** Runs a program of which nothing is left if this process is stopped or killed. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Supervision {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Seconds after which the program is ended. */
  readonly limit?: number;
  /** Receives what the program writes on either stream. */
  readonly onLine: (line: string) => void;
}

export interface Ended {
  /** 128 and the number of the signal, where a signal has ended it. */
  readonly status: number;
  /** Whether it was ended as its time was over. */
  readonly expired: boolean;
}

const stopping = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** This process received a signal to stop while a program ran; nothing of that program runs any more. */
export class Stopped extends Error {
  constructor(readonly signal: (typeof stopping)[number]) {
    super(`stopped by ${signal}`);
  }

  get exitCode(): number {
    return 128 + constants.signals[this.signal];
  }
}

async function collect(stream: NodeJS.ReadableStream, onLine: (line: string) => void): Promise<void> {
  for await (const line of createInterface({ input: stream })) onLine(line);
}

/** @throws Stopped, after a signal */
export async function runSupervised(command: readonly string[], supervision: Supervision): Promise<Ended> {
  const { cwd, env, limit, onLine } = supervision;
  const child = spawn(process.execPath, [join(__dirname, 'supervisor.js'), ...command], {
    cwd,
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // The supervisor ends everything when this pipe is closed; the system does so if this process is killed.
  const end = () => child.stdin.destroy();
  // The end of the supervisor shows that it is gone.
  child.stdin.on('error', end);
  let stopped: (typeof stopping)[number] | undefined;
  let expired = false;
  const expire = () => {
    expired = true;
    end();
  };
  const stop = (signal: (typeof stopping)[number]) => {
    stopped ??= signal;
    end();
  };
  for (const signal of stopping) process.on(signal, stop);
  const timer = limit === undefined ? undefined : setTimeout(expire, limit * 1000);
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
  try {
    const [status] = await Promise.all([ended, collect(child.stdout, onLine), collect(child.stderr, onLine)]);
    if (stopped !== undefined) throw new Stopped(stopped);
    return { status, expired };
  } finally {
    clearTimeout(timer);
    for (const signal of stopping) process.off(signal, stop);
  }
}
