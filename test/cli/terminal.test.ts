import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { Progress } from '../../lib/cli/progress.js';
import { bar, formatSeconds, formatWeight, Painter, pad } from '../../lib/cli/terminal.js';

describe('terminal', () => {
  it('is painted only where colours are shown', () => {
    assert.equal(new Painter(false).paint('bold', 'word'), 'word');
    const painted = new Painter(true).paint('bold', 'word');
    assert.notEqual(painted, 'word');
    assert.equal(stripVTControlCharacters(painted), 'word');
  });

  it('has bars to an eighth of a column', () => {
    assert.equal(bar(0, 10), '');
    assert.equal(bar(0.5, 10), '█████');
    assert.equal(bar(0.5125, 10), '█████▏');
    assert.equal(bar(1.5, 10), '██████████');
  });

  it('has columns of a width', () => {
    assert.equal(pad('word', 6), 'word  ');
    assert.equal(pad('wordlike', 6), 'wordl…');
  });

  it('has numbers of three digits', () => {
    assert.deepEqual([0.0001, 0.01234, 0.5, 0.9996].map(formatWeight), [
      '< 0.001',
      '0.0123',
      '0.500',
      '1.00',
    ]);
    assert.deepEqual([2, 0.01234, 0.00001234].map(formatSeconds), ['2.00 s', '12.3 ms', '12.3 µs']);
    assert.deepEqual([0.9997, 0.0009997, 0.9993].map(formatSeconds), ['1.00 s', '1.00 ms', '999 ms']);
  });

  it('has a progress bar that moves and says what is being done', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80, cursorTo: () => true });
    {
      using progress = new Progress(2, stream);
      progress.begin('loading');
      progress.begin('attending');
      progress.advance(0.5);
    }
    const shown = String(stream.read());
    assert.match(shown, /attending/);
    assert.match(shown, /█+░+ 75 %/);
  });

  it('has no progress bar where nobody would see it move', () => {
    const stream = new PassThrough();
    {
      using progress = new Progress(2, stream);
      progress.begin('loading');
    }
    assert.equal(stream.read(), null);
  });
});
