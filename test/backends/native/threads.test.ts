/** Tests that the number of threads follows the process's affinity and the quotas of its control groups. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const program = `process.stdout.write(String(require(${JSON.stringify(
  join(__dirname, '..', '..', '..', 'lib', 'backends', 'native', 'native.js'),
)}).threads()))`;

/** The number of threads in a process started with a command line. */
function threadsUnder(...command: string[]): number {
  const [first, ...rest] = [...command, process.execPath, '-e', program];
  const { HEED_NUM_THREADS: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(first, rest, { encoding: 'utf8', env });
  assert.equal(status, 0, stderr);
  return Number(stdout);
}

/** Writes to files of a system folder, and returns whether that was permitted. */
function tryTo(change: () => void): boolean {
  try {
    change();
    return true;
  } catch {
    return false;
  }
}

/** The folder of a new control group with a quota of half a processor, or undefined if none can be made. */
function halfAProcessor(): string | undefined {
  const name = `heed-test-${process.pid}`;
  const v1 = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct']
    .filter((folder) => existsSync(join(folder, 'cpu.cfs_quota_us')))
    .map((folder) => join(folder, name));
  for (const group of v1) {
    if (!tryTo(() => mkdirSync(group))) continue;
    if (tryTo(() => writeFileSync(join(group, 'cpu.cfs_quota_us'), '50000'))) return group;
    rmdirSync(group);
  }
  const v2 = join('/sys/fs/cgroup', name);
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers') || !tryTo(() => mkdirSync(v2))) return undefined;
  if (tryTo(() => writeFileSync(join(v2, 'cpu.max'), '50000 100000'))) return v2;
  rmdirSync(v2);
  return undefined;
}

/** The first processor of a list like "0-2,5". */
function firstProcessor(): string {
  const list = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  assert.ok(list);
  return list;
}

/** Whether a group can be made, which requires root and writable control groups. */
function canLimit(): boolean {
  const group = halfAProcessor();
  if (group !== undefined) rmdirSync(group);
  return group !== undefined;
}

if (process.platform === 'linux') {
  describe('threads by default', () => {
    it('are one for one processor of an affinity', () => {
      assert.equal(threadsUnder('taskset', '--cpu-list', firstProcessor()), 1);
    });

    // Native tests also check the quotas, on folders of every kind.
    if (canLimit()) {
      it('are one for a quota of half a processor', () => {
        const group = halfAProcessor();
        assert.ok(group);
        try {
          assert.equal(threadsUnder('sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$0" "$@"`), 1);
        } finally {
          rmdirSync(group);
        }
      });
    }
  });
}
