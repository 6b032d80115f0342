/** Tests the documents: their code runs and prints the output that they show, and their links are valid. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errorCodes } from '../lib/errors.js';
import { commandsRunElsewhere, documentsRunElsewhere } from './documentation/commands.js';
import { assertPrinted, expectedLines } from './documentation/expected-output.js';
import { type CodeBlock, commandsOf, readDocument } from './documentation/markdown.js';
import { proseWidth, wideLines } from './documentation/prose.js';
import { compile, root, Workshop } from './documentation/runner.js';

const documents = [
  ...readdirSync(root),
  ...['docs', 'examples', 'bench'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  ),
].filter((name) => name.endsWith('.md') && !/node_modules|docs\/api\//.test(name));

describe('documentation', () => {
  for (const name of documents) {
    describe(name, () => {
      const { blocks, links } = readDocument(join(root, name));
      let workshop: Workshop;
      before(() => {
        workshop = new Workshop();
      });
      after(() => workshop.dispose());

      const step = documentsRunElsewhere.get(name);
      if (step !== undefined) it(`is run by step ${step}`, () => assertIsStep(step, name));

      for (const block of step === undefined ? blocks : []) {
        // Output, formulae and layouts are not run.
        if (block.language === 'text') continue;
        it(`line ${block.line}: ${block.language}`, function () {
          this.timeout(180_000);
          check(workshop, block, name);
        });
      }

      it('has links that lead somewhere', () => {
        for (const link of links) assertLeadsSomewhere(name, link);
      });

      it(`has prose of at most ${proseWidth} characters a line`, () => {
        assert.deepEqual(wideLines(join(root, name)), []);
      });
    });
  }

  it('has a table of every error code', () => {
    const page = readFileSync(join(root, 'docs/guides/errors.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(HEED_\w+)` \| (.*) \|$/gm)].map((row) => [row[1], row[2]]);
    assert.deepEqual(rows, Object.entries(errorCodes));
  });

  it('has a table of every environment variable', () => {
    const page = readFileSync(join(root, 'docs/guides/environment.md'), 'utf8');
    const source = readFileSync(join(root, 'lib/environment.ts'), 'utf8');
    const read = [...source.matchAll(/\('(HEED_\w+)'[,)]/g)].map((match) => match[1]);
    const rows = [...page.matchAll(/^\| `(HEED_\w+)` \|/gm)].map((row) => row[1]);
    assert.deepEqual(rows.sort(), read.sort());
  });
});

function check(workshop: Workshop, block: CodeBlock, document: string): void {
  const { language, code, line, file } = block;
  switch (language) {
    case 'sh':
      // A contributor works in the checkout, everyone else in a project that has heed installed.
      for (const command of commandsOf(code)) {
        runCommand(workshop, command, document === 'CONTRIBUTING.md' ? root : workshop.folder);
      }
      return;
    case 'js':
    case 'ts': {
      const kind = /\brequire\(/.test(code) ? 'c' : 'm';
      const path = workshop.write(file ?? `line-${line}.${kind}${language}`, code);
      if (language === 'ts') assert.deepEqual(compile(path), []);
      const { stdout, stderr, status } = workshop.run('node', [path.replace(/ts$/, 'js')]);
      assert.equal(status, 0, stderr);
      assert.equal(stderr, '');
      assertPrinted(stdout, expectedLines(code));
      return;
    }
    default:
      assert.fail(`nothing checks a code block in '${language}'`);
  }
}

function runCommand(workshop: Workshop, command: string, cwd: string): void {
  const elsewhere = commandsRunElsewhere.get(command);
  if (elsewhere === undefined) {
    const { stdout, stderr, status } = workshop.run('sh', ['-euc', command], cwd);
    assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
  } else if (elsewhere.step !== undefined) {
    assertIsStep(elsewhere.step, command);
  }
}

function assertIsStep(step: string, what: string): void {
  const lists = readFileSync(join(root, '.ci/run'), 'utf8').matchAll(
    /^(?:first|beside_tests|after_install)='(.*)'$/gm,
  );
  const steps = [...lists].flatMap(([, names]) => names.split(' '));
  assert.ok(steps.includes(step), `${what} was to be run by step ${step} of .ci/run`);
}

function assertLeadsSomewhere(document: string, link: string): void {
  if (/^https:\/\//.test(link)) return;
  assert.doesNotMatch(link, /^[a-z]+:/, `${link}: neither a path nor https`);
  const [path, anchor] = link.split('#');
  const target = path === '' ? join(root, document) : join(root, dirname(document), path);
  assert.ok(existsSync(target), `${link} does not exist`);
  if (anchor !== undefined) assert.ok(readDocument(target).anchors.has(anchor), `${link}: no such heading`);
}
