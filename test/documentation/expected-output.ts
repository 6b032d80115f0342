/**
 * Results shown in a code block: `console.log(x); // → 0.5`, with further lines of the same output on
 * separate lines that start with `// →`. A block prints exactly the shown output; … matches anything.
 */
import assert from 'node:assert/strict';

export function expectedLines(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1].trimEnd());
}

export function assertPrinted(stdout: string, expected: readonly string[]): void {
  const printed = stdout === '' ? [] : stdout.trimEnd().split('\n');
  assert.ok(
    printed.length === expected.length && printed.every((line, i) => matches(line.trimEnd(), expected[i])),
    `the block shows\n${expected.join('\n')}\nand prints\n${stdout}`,
  );
}

function matches(line: string, pattern: string): boolean {
  const parts = pattern.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(line);
}
