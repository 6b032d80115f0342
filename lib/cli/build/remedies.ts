/** How to fix it if the addon cannot be built. */
import type { Sought } from './programs.js';

const toInstall: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['install the command line tools: xcode-select --install'],
  linux: [
    'on Debian or Ubuntu: apt-get install g++ make cmake',
    'on Fedora: dnf install gcc-c++ make cmake',
    'on Alpine: apk add g++ make cmake',
  ],
};

const forOldCompilers: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: [
    'on Ubuntu 22.04: apt-get install g++-12, which heed then finds by itself',
    'on Red Hat Enterprise Linux 8 and 9: dnf install gcc-toolset-13-gcc-c++; scl enable gcc-toolset-13 "npx heed build"',
    'elsewhere: install GCC 12 or Clang 15, or later; to use a compiler other than the default: CXX=g++-13 npx heed build',
  ],
};

/** Remedies by the complaints of a build that was tried. */
function ofFailure(complaints: readonly string[]): string {
  const text = complaints.join('\n');
  if (/Killed|memory|bad_alloc/.test(text))
    return 'memory ran out: build on fewer cores (taskset -c 0 npx heed build), or on a machine with more memory';
  if (/No space left|quota/.test(text))
    return 'free some space: building takes about 50 MB, with CUDA several hundred';
  if (/Permission denied|Read-only/.test(text))
    return 'make sure that this user may write to the folder of heed';
  return 'read the log; if your tools are not the cause, report it to the authors of heed';
}

/** @param lacking what was not found or cannot be used */
export function remediesFor(lacking: readonly Sought[], complaints: readonly string[]): string[] {
  if (process.platform === 'win32') return ['the native backend needs Linux or macOS'];
  const compilers = lacking.filter(({ name, problems }) => name.startsWith('C++') && problems.length > 0);
  // A user who has named a compiler need not install one.
  if (process.env.CXX && compilers.length > 0)
    return ['set CXX to another compiler, or unset it: heed then uses the first that is suitable'];
  const absent = lacking.filter(({ problems }) => problems.length === 0);
  const remedies = [
    ...(compilers.length > 0 ? (forOldCompilers[process.platform] ?? []) : []),
    ...(absent.length > 0 ? (toInstall[process.platform] ?? ['install what is missing']) : []),
    ...(complaints.length > 0 ? [ofFailure(complaints)] : []),
  ];
  if (remedies.length > 0) return remedies;
  return ['install the required versions, or repair what does not run; then: npx heed build'];
}
