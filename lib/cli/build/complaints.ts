/** Finding, among everything that a build tool has said, what tells why it has failed. */

const most = 12;

/** Of the system, whoever reports it. */
const noRoom =
  /No space left on device|Read-only file system|Disk quota exceeded|Permission denied|Too many open files/;
const noMemory =
  /Killed signal|[Cc]annot allocate memory|out of memory|virtual memory exhausted|std::bad_alloc/;

/** From those that name a cause to those that only say that something has failed; the first that match anything count. */
const ranks: readonly RegExp[] = [
  noRoom,
  noMemory,
  // Of linkers, after which the compiler only says that linking has failed.
  /undefined reference|undefined symbol|cannot find -l|multiple definition|\bld(\.\w+)?: error/,
  // Of compilers.
  /(^|[^-\w])(fatal )?error: |\(\d+\): error|internal compiler error/,
  // Of CMake, put together from several lines.
  /^CMake Error/,
  // Of Python, and of gyp, which is written in it.
  /^([\w.]+\.)?\w*(Error|Exception): |^gyp: /,
  /^gyp ERR! (stack )?\w*Error: |^gyp ERR! find Python/,
  /\b(error|Error|ERR!|not found|cannot)\b/,
];

/** Repeats that something has failed, or tells where it ran. */
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

/** The lines that tell what went wrong, that which says most first; where none does, the last ones. */
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

/** Whether it is the machine that would let every other tool fail, too. */
export function blamesMachine([first = '']: readonly string[]): boolean {
  return noRoom.test(first) || noMemory.test(first);
}
