/** Finds the cause of a failure in the output of a build tool. */

const most = 12;

/** Errors of the system, whichever program reports them. */
const noRoom =
  /No space left on device|Read-only file system|Disk quota exceeded|Permission denied|Too many open files/;
const noMemory =
  /Killed signal|[Cc]annot allocate memory|out of memory|virtual memory exhausted|std::bad_alloc/;

/** From patterns of causes to patterns of mere failures; the first that match anything count. */
const ranks: readonly RegExp[] = [
  noRoom,
  noMemory,
  // Linkers, after which the compiler only reports that linking has failed.
  /undefined reference|undefined symbol|cannot find -l|multiple definition|\bld(\.\w+)?: error/,
  // Compilers.
  /(^|[^-\w])(fatal )?error: |\(\d+\): error|internal compiler error/,
  // CMake, joined from several lines.
  /^CMake Error/,
  // Python, and gyp, which is written in it.
  /^([\w.]+\.)?\w*(Error|Exception): |^gyp: /,
  /^gyp ERR! (stack )?\w*Error: |^gyp ERR! find Python/,
  /\b(error|Error|ERR!|not found|cannot)\b/,
];

/** Lines that only repeat that something has failed, or where it ran. */
const noise = new RegExp(
  [
    '^\\s+at ',
    '^gyp ERR! (stack\\s+at |System|command|cwd|node|not ok|configure error|build error)',
    'OMG|Process terminated',
    'warnings being treated as errors',
    '^\\s*g?make(\\[\\d+\\])?: (\\*\\*\\* .* Error \\d+$|\\*\\*\\* Waiting|Entering|Leaving)',
    '^ninja: build stopped',
    'Configuring incomplete',
  ].join('|'),
);

const inCMakeError = /^CMake Error(?: at (.+?:\d+)(?: \(\w+\))?)?:\s*(.*)$/;

/**
 * "CMake Error at FILE:LINE (command):" and the sentence that stands indented below it, as one line: it may go on after
 * empty lines, between which the thing that it is about is written.
 */
function joinCMakeErrors(lines: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const [, place, rest] = inCMakeError.exec(lines[i]) ?? [];
    if (rest === undefined) {
      joined.push(lines[i]);
      continue;
    }
    let text = rest.trim();
    for (; /^\s|^$/.test(lines[i + 1] ?? 'the end'); i++) {
      if (lines[i + 1] === '' && text.endsWith('.')) break;
      text = `${text} ${lines[i + 1].trim()}`.trim();
    }
    joined.push(`CMake Error${place ? ` at ${place}` : ''}: ${text.replace(/\s+/g, ' ')}`);
  }
  return joined;
}

/** The lines that explain the failure, the most informative first; if there are none, the last lines. */
export function complaintsAmong(lines: readonly string[]): string[] {
  const telling = joinCMakeErrors(lines.map((line) => line.trimEnd()))
    .filter((line) => !noise.test(line))
    .map((line) => line.trim());
  for (const [i, rank] of ranks.entries()) {
    const found = telling.filter((line) => rank.test(line));
    if (found.length > 0) return i === ranks.length - 1 ? found.slice(-most) : found.slice(0, most);
  }
  return telling.filter((line) => line !== '').slice(-most);
}

/** Whether the machine is the cause, so that every other tool would fail, too. */
export function blamesMachine([first = '']: readonly string[]): boolean {
  return noRoom.test(first) || noMemory.test(first);
}

const meanings: Readonly<Record<string, readonly [why: string, remedy: string]>> = {
  EACCES: ['this user may not write there', 'run heed build as the user who has installed heed'],
  EPERM: ['the system does not allow it', 'run heed build as the user who has installed heed'],
  EROFS: [
    'it is on a file system that can only be read',
    'run heed build before the file system is made read-only',
  ],
  ENOSPC: [
    'no space is left on the device',
    'make room: building takes some 50 MB, with CUDA several hundred',
  ],
  EDQUOT: [
    'the quota of the disk is used up',
    'make room: building takes some 50 MB, with CUDA several hundred',
  ],
  ENOTDIR: ['a file is in the place of a folder', 'remove or rename that file'],
  EEXIST: ['something else is in the place of a folder', 'remove or rename it'],
  EISDIR: ['a folder is in the place of a file', 'remove or rename that folder'],
  ENOENT: ['it is not there', 'install heed anew: a part of it is missing'],
  ELOOP: ['its symbolic links lead in a circle', 'remove those links'],
  ENAMETOOLONG: ['its path is too long', 'install heed in a folder with a shorter path'],
  EMFILE: ['too many files are open', 'raise the limit of open files (ulimit -n)'],
  ENFILE: ['too many files are open on this system', 'close other programs'],
  EBUSY: ['it is in use', 'end what uses it'],
  EAGAIN: ['the system has no more processes to give', 'raise the limit of processes (ulimit -u)'],
  ENOMEM: ['the system has no more memory to give', 'close other programs'],
};

/** An error of a system call. */
export interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
  readonly dest?: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

export interface Refusal {
  readonly what: string;
  readonly remedy: string;
}

const reading = /^(read|scandir|stat|lstat|readlink|realpath)/;
const verbs: Readonly<Record<string, string>> = {
  open: 'open',
  mkdir: 'make the folder',
  access: 'write to',
};

function attempted({ syscall, path, dest }: SystemError): string {
  if (syscall.startsWith('spawn')) return `could not run ${path ?? 'a program'}`;
  const verb = verbs[syscall] ?? (reading.test(syscall) ? 'read' : 'write');
  return `could not ${verb} ${dest ?? path ?? 'a file'}`;
}

/** What the system has refused, why, and what to do. */
export function explain(error: SystemError): Refusal {
  const [why, remedy] = meanings[error.code] ?? [error.message, 'see that heed can write to its own folder'];
  return { what: `${attempted(error)}: ${why} (${error.code})`, remedy };
}
