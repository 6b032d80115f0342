import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes, HeedError } from '../lib/errors.js';

const root = join(__dirname, '..', '..');

describe('HeedError', () => {
  it('is an Error with a code, a cause and the stack of where it was made', () => {
    const cause = new Error('why');
    const error = new HeedError('HEED_OVERLAP', 'what', { cause });
    assert.ok(error instanceof Error);
    assert.equal(error.code, 'HEED_OVERLAP');
    assert.equal(error.name, 'HeedError');
    assert.equal(error.message, 'what');
    assert.equal(error.cause, cause);
    assert.match(error.stack ?? '', /^HeedError: what\n.*errors\.test/s);
  });

  it('is recognised across copies of heed', () => {
    const path = require.resolve('../lib/errors.js');
    const original = require.cache[path];
    delete require.cache[path];
    const copy: typeof import('../lib/errors.js') = require(path);
    require.cache[path] = original;
    assert.notEqual(copy.HeedError, HeedError);
    assert.ok(new copy.HeedError('HEED_OVERLAP', '') instanceof HeedError);
    assert.ok(!(new Error() instanceof HeedError));
    assert.equal(HeedError[Symbol.hasInstance](null), false);
    assert.equal(HeedError[Symbol.hasInstance]({ code: 'HEED_OVERLAP' }), false);
  });
});

describe('the table of codes', () => {
  const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && path !== 'errors.ts')
    .map((path) => readFileSync(join(root, 'lib', path), 'utf8'))
    .join('\n');

  for (const code of Object.keys(errorCodes)) {
    it(`${code} is in use`, () => assert.ok(sources.includes(`'${code}'`)));
  }
});
