import assert from 'node:assert/strict';
import { runHeed } from '../cli/run-heed.js';

describe('heed generate', function () {
  this.timeout(60_000);
  const prompt = 'Once there was a fox called Velmor';

  function succeed(...args: string[]): { stdout: string; stderr: string } {
    const { status, stdout, stderr } = runHeed(['generate', ...args]);
    assert.equal(status, 0, stderr);
    return { stdout, stderr };
  }

  function fail(message: RegExp, ...args: string[]): void {
    const { status, stdout, stderr } = runHeed(['generate', ...args]);
    assert.equal(status, 1, stdout);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n\s+at /, 'a mistake of the user needs no stack');
  }

  it('writes on from the prompt, and tells how fast', () => {
    const { stdout, stderr } = succeed(prompt, '--length', '40', '--seed', 'fox');
    assert.ok(stdout.startsWith(prompt), stdout);
    assert.ok(stdout.length > prompt.length + 40, stdout);
    assert.match(
      stderr,
      /^\d+ tokens read, 40 written: the first after [\d.]+ (s|ms|µs), then \d+ a second; --seed fox\n$/,
    );
  });

  it('writes the same for the same seed, and takes words as they come', () => {
    const { stdout } = succeed(prompt, '--length', '30', '--seed', 'fox');
    assert.equal(succeed(...prompt.split(' '), '-l', '30', '-s', 'fox').stdout, stdout);
    assert.notEqual(succeed(prompt, '-l', '30', '-s', 'badger').stdout, stdout);
  });

  it('repeats a story with the seed that it has told', () => {
    const { stdout, stderr } = succeed('--length', '30');
    const [, seed] = /--seed (\w+)\n$/.exec(stderr) ?? [];
    assert.equal(succeed('--length', '30', '--seed', seed).stdout, stdout);
  });

  it('leaves nothing to chance at temperature 0', () => {
    const coldly = (seed: string) => succeed(prompt, '-t', '0', '-l', '30', '-s', seed).stdout;
    assert.equal(coldly('a'), coldly('b'));
  });

  it('tells a whole story', () => {
    const { stdout, stderr } = succeed('--seed', 'heed', '--temperature', '0.5');
    const [, written] = /, (\d+) written/.exec(stderr) ?? [];
    assert.ok(Number(written) > 100, stderr);
    assert.match(stdout, /\n\n/);
  });

  it('runs on the reference backend when told to, and tells the same', () => {
    const args = ['generate', prompt, '-l', '12', '-t', '0'];
    const { status, stdout } = runHeed(args, { env: { HEED_BACKEND: 'reference' } });
    assert.equal(status, 0);
    assert.equal(stdout, runHeed(args).stdout);
  });

  it('tells its story with rounded weights, too', () => {
    for (const type of ['int8', 'int4']) {
      const { stdout, stderr } = succeed(prompt, '-l', '30', '-t', '0', '--weights', type);
      assert.ok(stdout.startsWith(prompt), stdout);
      assert.match(stderr, /, 30 written/);
    }
    fail(/Allowed choices are int8, int4\./, '--weights', 'int3');
  });

  it('tells what is wrong with what it was given', () => {
    fail(/^heed: Expected a prompt of fewer than 256 tokens, received one of \d+\n$/, 'zq '.repeat(200));
    fail(
      /option '-l, --length <tokens>' argument 'many' is invalid\. Expected a positive integer\./,
      '-l',
      'many',
    );
    fail(/argument '-1' is invalid\. Expected a non-negative number\./, '--temperature=-1');
    fail(/unknown option '--lenght'\n\(Did you mean --length\?\)/, '--lenght', '3');
  });
});
