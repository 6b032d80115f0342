/** What to do where the addon cannot be built. */
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
    'elsewhere: install GCC 12 or Clang 15, or later ones; another than the default is named by CXX=g++-13 npx heed build',
  ],
};

/** Where the way that compiles was tried: what stands in its complaints. */
function ofFailure(complaints: readonly string[]): string {
  const text = complaints.join('\n');
  if (/Killed|memory|bad_alloc/.test(text))
    return 'the memory did not suffice: build on fewer cores (taskset -c 0 npx heed build), or where there is more';
  if (/No space left|quota/.test(text))
    return 'make room: building takes some 50 MB, with CUDA several hundred';
  if (/Permission denied|Read-only/.test(text)) return 'see that this user may write to the folder of heed';
  return 'read the log; if your tools are not what it is about, report it to the authors of heed';
}

/** @param lacking what was looked for, and is not there or will not do */
export function remediesFor(lacking: readonly Sought[], complaints: readonly string[]): string[] {
  if (process.platform === 'win32') return ['the native backend needs Linux or macOS'];
  const compilers = lacking.filter(({ name, problems }) => name.startsWith('C++') && problems.length > 0);
  // Whoever has named a compiler need not install one.
  if (process.env.CXX && compilers.length > 0)
    return ['name another compiler by CXX, or unset it: heed then takes the first that will do'];
  const absent = lacking.filter(({ problems }) => problems.length === 0);
  const remedies = [
    ...(compilers.length > 0 ? (forOldCompilers[process.platform] ?? []) : []),
    ...(absent.length > 0 ? (toInstall[process.platform] ?? ['install what is missing']) : []),
    ...(complaints.length > 0 ? [ofFailure(complaints)] : []),
  ];
  if (remedies.length > 0) return remedies;
  return ['install the versions that are needed, or mend what does not run; then: npx heed build'];
}
