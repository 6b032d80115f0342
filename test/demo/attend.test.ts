import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { devices } from '../../lib/backends/devices.js';
import { runHeed } from '../cli/run-heed.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const rhyme = 'the cat sat on the mat and the cat sat on the';

describe('heed attend', function () {
  this.timeout(120_000);
  const file = temporaryDirectory();

  const attend = (...args: string[]) => runHeed(['attend', '--out', file('page.html'), ...args]);

  function succeed(...args: string[]): string {
    const { status, stdout, stderr } = attend(...args);
    assert.equal(status, 0, stderr);
    return stdout;
  }

  function fail(message: RegExp, ...args: string[]): void {
    const { status, stdout, stderr } = attend(...args);
    assert.equal(status, 1, stdout);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n\s+at /, 'a mistake of the user needs no stack');
  }

  /** The lines below a head's title: the attended word, its position, and the weight. */
  function influences(stdout: string, head: string): [string, string, number][] {
    const lines = stdout
      .slice(stdout.indexOf(`  ${head}\n`))
      .split('\n')
      .slice(1);
    const end = lines.findIndex((line) => !line.startsWith('    '));
    return lines.slice(0, end).map((line) => {
      const [, name, where = '', weight] = /^ {4}(\(.*?\)|\S+) +(\d+ \w+|itself)? +([\d.]+)/.exec(line) ?? [];
      return [name, where, Number(weight)];
    });
  }

  it('tells what computed, on what, and how fast', () => {
    const stdout = succeed(rhyme);
    const preferred = devices().find((device) => device.preferred);
    assert.ok(preferred);
    assert.ok(stdout.includes(`${preferred.name} (${preferred.backend} backend)`));
    if (preferred.instructionSet) {
      assert.match(stdout, new RegExp(`instruction set +${preferred.instructionSet}\n`));
    }
    assert.match(stdout, new RegExp(`threads +${preferred.threads}\n`));
    assert.match(stdout, /text +12 words, 256 numbers each/);
    assert.match(stdout, /first layer +5 heads: query and key \[12, 120\], value \[12, 40\]/);
    assert.match(stdout, /second layer +1 head: query and key \[12, 48\], value \[12, 40\]/);
    assert.match(stdout, /both layers +[\d.]+ (s|ms|µs), [\d.e+-]+ GFLOP\/s/);
    const seconds = (name: string) => {
      const [, number, unit] = new RegExp(`attention, ${name} +([\\d.]+) (s|ms|µs)`).exec(stdout) ?? [];
      return Number(number) * ({ s: 1, ms: 1e-3, µs: 1e-6 }[unit] ?? Number.NaN);
    };
    const [, speedUp] = /speed-up +([\d.]+) × over unfused/.exec(stdout) ?? [];
    const expected = seconds('unfused') / seconds('fused');
    // Two decimals, from numbers printed with three digits each.
    assert.ok(
      Math.abs(Number(speedUp) - expected) < 0.006 + 0.011 * expected,
      `${speedUp} is not ${expected}`,
    );
  });

  it('shows other kinds of attention', () => {
    for (const score of ['dot', 'cosine', 'general', 'additive']) {
      const stdout = succeed(rhyme, '--word', 'cat', '--score', score, '--select', 'hard');
      assert.match(stdout, new RegExp(`kind +${score} scores, hard selection`));
      const same = influences(stdout, 'The same word');
      assert.deepEqual(
        same.map(([, , weight]) => weight),
        [1],
        'all weight on one word',
      );
      assert.equal(same[0][0], 'cat');
    }
    const location = succeed(rhyme, '--word', 'cat', '--score', 'location');
    assert.deepEqual(
      influences(location, 'The previous word'),
      influences(succeed(rhyme, '--word', 'cat'), 'The previous word'),
    );
    for (const select of ['drawn', 'local']) succeed(rhyme, '--select', select);
    fail(/Allowed choices are soft, hard, drawn, local/, rhyme, '--select', 'harsh');
  });

  it('tells which words influence a word, and how much', () => {
    const stdout = succeed(rhyme, '--word', 'the');
    assert.match(stdout, /What “the” looks at \(word 12 of 12\)/);
    const same = ['11 before', '7 before', '4 before', 'itself'].map((where) => ['the', where, 0.25]);
    assert.deepEqual(influences(stdout, 'The same word'), same);
    assert.deepEqual(influences(stdout, 'The previous word'), [['on', '1 before', 1]]);
    assert.deepEqual(influences(stdout, 'The next word'), [['(nothing)', '', 1]]);
    const nearby = influences(stdout, 'The words nearby');
    assert.deepEqual(
      nearby.slice(0, 4).map(([word]) => word),
      ['the', 'on', 'sat', 'cat'],
    );
    // 0.2 per word of distance: the followers stood 3, 6 and 10 words before.
    const induction = influences(stdout, 'What followed last time');
    const odds = [3, 6, 10].map((distance) => Math.exp(-0.2 * distance));
    const total = odds.reduce((sum, value) => sum + value, 0);
    assert.deepEqual(
      induction.map(([word, where]) => `${word} ${where}`),
      ['cat 3 before', 'mat 6 before', 'cat 10 before'],
    );
    induction.forEach(([, , weight], i) => {
      assert.ok(Math.abs(weight - odds[i] / total) < 0.001);
    });
    assert.match(stdout, /After the last word it predicts “cat”\./);
  });

  it('looks at no later word with --causal', () => {
    const open = succeed(rhyme, '--word', 'mat');
    assert.deepEqual(influences(open, 'The next word'), [['and', '1 after', 1]]);
    const causal = succeed(rhyme, '--word', 'mat', '--causal');
    assert.deepEqual(influences(causal, 'The next word'), [['(nothing)', '', 1]]);
    assert.doesNotMatch(causal, /\d after/);
    assert.match(causal, /looking ahead +no \(causal\)/);
  });

  it('reads words, a file, and an argument that names a file', () => {
    writeFileSync(file('rhyme.txt'), rhyme);
    const told = (stdout: string) => stdout.slice(stdout.indexOf('What “'));
    const expected = told(succeed(...rhyme.split(' ')));
    assert.equal(told(succeed('--file', file('rhyme.txt'))), expected);
    assert.equal(told(succeed(file('rhyme.txt'))), expected);
    assert.match(succeed(file('rhyme.txt')), /^\s*rhyme\.txt\n/);
  });

  it('reads the text that heed brings along, and writes attention.html into the folder it runs in', () => {
    const cwd = dirname(file('page.html'));
    const { status, stdout, stderr } = runHeed(['attend'], { cwd });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /William James, The Principles of Psychology/);
    assert.match(stdout, /What “experience” looks at/);
    assert.ok(existsSync(file('attention.html')));
  });

  it('reads the front of a text that is too long, and says so', () => {
    const words = Array.from({ length: 5000 }, (_, i) => `w${i % 700}`);
    writeFileSync(file('long.txt'), words.join(' '));
    assert.match(succeed(file('long.txt')), /text +4096 words, the first of a longer text/);
  });

  it('is plain text where there is no terminal', () => {
    const { stdout, stderr } = attend(rhyme);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what must not be there
    assert.doesNotMatch(stdout + stderr, /\x1b/);
    assert.doesNotMatch(stderr, /%/, 'a progress bar');
  });

  it('runs on the reference backend when told to', () => {
    const args = ['attend', '--out', file('page.html'), rhyme];
    const { status, stdout } = runHeed(args, { env: { HEED_BACKEND: 'reference' } });
    assert.equal(status, 0);
    assert.match(stdout, /\(reference backend\)/);
    assert.deepEqual(influences(stdout, 'The previous word'), [['on', '1 before', 1]]);
  });

  it('writes a page that holds everything it needs', () => {
    succeed(rhyme);
    const page = readFileSync(file('page.html'), 'utf8');
    assert.match(page, /^<!doctype html>/);
    assert.doesNotMatch(page, /(?:src|href)="(?!data:)/);
    assert.doesNotMatch(page, /@import|url\(/);
  });

  it('tells what is wrong with what it was given', () => {
    mkdirSync(file('folder'), { recursive: true });
    writeFileSync(file('empty.txt'), ' … \n');
    writeFileSync(file('binary.txt'), Buffer.from([0x68, 0xff, 0xfe, 0x00]));
    fail(/^heed: Could not read .*missing\.txt: there is no such file\n$/, '--file', file('missing.txt'));
    fail(/^heed: Could not read missing\.txt: there is no such file\n$/, 'missing.txt');
    fail(/^heed: Could not read .*folder: it is a folder\n$/, '--file', file('folder'));
    fail(/^heed: Could not read .*binary\.txt: it is not text in UTF-8\n$/, file('binary.txt'));
    fail(/^heed: Expected words to attend to, found none in empty\.txt\n$/, file('empty.txt'));
    fail(/^heed: Expected words or --file, received both\n$/, 'word', '--file', file('empty.txt'));
    fail(
      /^heed: Expected --word to be in the text, received 'catt'; spelled most alike: cat, /,
      rhyme,
      '--word',
      'catt',
    );
    fail(/^heed: Could not write .*page\.html: /, rhyme, '--out', file('folder/none/page.html'));
    fail(/unknown option '--wrod'\n\(Did you mean --word\?\)/, rhyme, '--wrod', 'cat');
  });
});

describe('heed', () => {
  it('tells its version', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    assert.equal(runHeed(['--version']).stdout, `${version}\n`);
  });

  it('has help for everything', () => {
    const { status, stdout } = runHeed(['--help']);
    assert.equal(status, 0);
    for (const command of ['attend', 'doctor', 'build']) {
      assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'));
      const help = runHeed([command, '--help']);
      assert.equal(help.status, 0);
      assert.match(help.stdout, new RegExp(`^Usage: heed ${command}`));
    }
    for (const name of ['HEED_BACKEND', 'HEED_NUM_THREADS', 'HEED_CPU_ISA', 'HEED_DEBUG', 'NO_COLOR']) {
      assert.ok(stdout.includes(name), name);
    }
  });

  it('does not know commands that there are not', () => {
    const { status, stderr } = runHeed(['attned']);
    assert.equal(status, 1);
    assert.match(stderr, /unknown command 'attned'\n\(Did you mean attend\?\)/);
  });
});
