/** What the native addon can be built with. */
import { spawnSync } from 'node:child_process';
import { nativeStatus } from '../../native.js';
import { missingFor, type Tool, tools } from '../build/tools.js';
import { remedies } from '../build.js';
import type { Finding, Section } from './finding.js';

export function examineBuildTools(): Section {
  const ways: Tool[] = ['cmake-js', 'node-gyp'];
  const found = new Map<string, string>();
  for (const { commands, name } of ways.flatMap((way) => tools[way].needs)) {
    found.set(name, firstVersion(commands) ?? 'not found');
  }
  const findings: Finding[] = [...found].map(([name, value]) => ({ name, value }));
  const lacking = new Map(ways.map((way) => [way, missingFor(way)]));
  for (const [way, missing] of lacking) {
    findings.push({ name: way, value: missing.length === 0 ? 'ready' : `needs ${missing.join(', ')}` });
  }
  // Nobody has to build what is there already.
  if (!nativeStatus().loaded && [...lacking.values()].every((missing) => missing.length > 0)) {
    const missing = new Set([...lacking.values()].flat());
    const last = findings.pop();
    if (last)
      findings.push({ ...last, remedy: `install what building needs: ${remedies(missing).join('; ')}` });
  }
  return { title: 'Build tools', findings };
}

function firstVersion(commands: readonly string[]): string | undefined {
  for (const command of commands) {
    const { status, stdout, stderr } = spawnSync(command, ['--version'], { encoding: 'utf8' });
    if (status === 0) return (stdout || stderr).split('\n')[0];
  }
  return undefined;
}
