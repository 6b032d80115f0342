/**
 * Runs a program, and ends it with everything that it has started once the other end of standard input is
 * closed: the process that asked for the program was stopped or killed. Leads its own session, which shows
 * what was started: build tools create process groups for compilers, but no sessions.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds that a tool gets to clean up. */
const grace = 1500;
const interval = 20;

/** All other processes of this session that have not ended; undefined where there is no /proc. */
function others(): number[] | undefined {
  let entries: string[];
  try {
    entries = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  } catch {
    return undefined;
  }
  return entries.map(Number).filter((pid) => {
    if (pid === process.pid) return false;
    try {
      // The name of the program, which may contain anything, is in parentheses.
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(session) === process.pid && state !== 'Z';
    } catch {
      return false;
    }
  });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

/** Processes that the system does not list belong at least to this process group. */
function signalAll(name: NodeJS.Signals): void {
  for (const pid of others() ?? [-process.pid]) signal(pid, name);
}

async function endAll(): Promise<void> {
  signalAll('SIGTERM');
  for (let waited = 0; waited < grace && others()?.length !== 0; waited += interval) await sleep(interval);
  while (others()?.length !== 0) {
    signalAll('SIGKILL');
    await sleep(interval);
  }
}

const [command, ...args] = process.argv.slice(2);
let ending = false;

async function endEverything(): Promise<void> {
  ending = true;
  await endAll();
  process.exit(128 + constants.signals.SIGTERM);
}

function ignore(): void {
  // This process is of the group that it may have to signal, and learns from 'close' that the pipe has broken.
}

process.on('SIGTERM', ignore);

const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
child.on('error', (error) => {
  console.error(`error: ${error.message}`);
  process.exit(127);
});
child.on('exit', (code, name) => {
  if (!ending) process.exit(code ?? 128 + constants.signals[name ?? 'SIGKILL']);
});
process.stdin.on('error', ignore);
process.stdin.on('close', () => void endEverything());
process.stdin.resume();
