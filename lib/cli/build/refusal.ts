/** Errors of the operating system, in words. */

const meanings: Readonly<Record<string, readonly [why: string, remedy: string]>> = {
  EACCES: ['this user may not write there', 'run heed build as the user who has installed heed'],
  EPERM: ['the system does not allow it', 'run heed build as the user who has installed heed'],
  EROFS: ['it is on a read-only file system', 'run heed build before the file system is made read-only'],
  ENOSPC: [
    'no space is left on the device',
    'free some space: building takes about 50 MB, with CUDA several hundred',
  ],
  EDQUOT: [
    'the quota of the disk is used up',
    'free some space: building takes about 50 MB, with CUDA several hundred',
  ],
  ENOTDIR: ['a file is in the place of a folder', 'remove or rename that file'],
  EEXIST: ['something else is in the place of a folder', 'remove or rename it'],
  EISDIR: ['a folder is in the place of a file', 'remove or rename that folder'],
  ENOENT: ['it does not exist', 'reinstall heed: a part of it is missing'],
  ELOOP: ['its symbolic links form a cycle', 'remove those links'],
  ENAMETOOLONG: ['its path is too long', 'install heed in a folder with a shorter path'],
  EMFILE: ['too many files are open', 'raise the limit of open files (ulimit -n)'],
  ENFILE: ['too many files are open on this system', 'close other programs'],
  EBUSY: ['it is in use', 'end the program that uses it'],
  EAGAIN: ['the system cannot start more processes', 'raise the limit of processes (ulimit -u)'],
  ENOMEM: ['the system is out of memory', 'close other programs'],
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

/** What failed, why, and how to fix it. */
export function explain(error: SystemError): Refusal {
  const [why, remedy] = meanings[error.code] ?? [
    error.message,
    'make sure that heed can write to its own folder',
  ];
  return { what: `${attempted(error)}: ${why} (${error.code})`, remedy };
}
