import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { whyNotReady } from '../../../lib/cli/addon/readiness.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { keepVariables } from '../../support/variables.js';
import { compile, meddling, realAddon } from './fixtures.js';

describe('whether an addon is ready', function () {
  this.timeout(120_000);
  const at = temporaryDirectory();

  it('it is if it loads and computes what the reference computes', async () => {
    const restore = keepVariables();
    // User settings say nothing about the addon.
    Object.assign(process.env, { HEED_BACKEND: 'reference', HEED_NUM_THREADS: 'many' });
    try {
      assert.equal(await whyNotReady(realAddon), undefined);
      assert.equal(await whyNotReady(compile(at('wrapped.node'), meddling(''))), undefined);
    } finally {
      restore();
    }
  });

  for (const [name, code, complaint] of [
    [
      'crashes on loading',
      '__builtin_trap();',
      /^crashes the process that uses it \((SIGILL, as .*|SIGTRAP)\)$/,
    ],
    [
      'reads where it must not',
      '*reinterpret_cast<volatile int*>(8) = 1;',
      /^crashes the process that uses it \(SIG(SEGV|BUS)\)$/,
    ],
    ['ends the process', '_exit(0);', /^ends the process that uses it, with exit code 0$/],
    [
      'computes nothing',
      'napi_set_named_property(env, exports, "solveSync", nothing_at_all);',
      /^computes wrong results: with baseline, attention has an error of /,
    ],
    [
      'has other exports',
      'napi_set_named_property(env, exports, "solveSync", exports);',
      /^does not work with this version of heed: .*solveSync/,
    ],
    [
      'is of another version',
      'napi_create_string_utf8(env, "0.0.7", NAPI_AUTO_LENGTH, &result); napi_set_named_property(env, exports, "version", result); result = exports;',
      /^does not load: its version is 0\.0\.7, that of heed is \d/,
    ],
    [
      'is another package’s',
      'result = nothing_at_all;',
      /^does not load: it is the addon of another package/,
    ],
  ] as const) {
    it(`it is not if it ${name}`, async () => {
      assert.match(String(await whyNotReady(compile(at(`${name}.node`), meddling(code)))), complaint);
    });
  }

  it('it is not if it does not come to an end', async () => {
    const path = compile(at('hangs.node'), meddling('for (;;) pause();'));
    assert.equal(await whyNotReady(path, 1), 'did not answer within 1 s');
  });

  it('it is not if there is something else in its place', async () => {
    writeFileSync(at('empty.node'), '');
    assert.equal(await whyNotReady(at('empty.node')), 'is empty');
    mkdirSync(at('folder.node'));
    assert.equal(await whyNotReady(at('folder.node')), 'is a directory');
    assert.equal(await whyNotReady(at('nothing.node')), 'is a broken symbolic link');
    writeFileSync(at('text.node'), 'not an addon');
    assert.match(String(await whyNotReady(at('text.node'))), /^is not an addon|^does not load/);
    assert.match(String(await whyNotReady(compile(at('other.node'), 'int x;'))), /^does not (load|work)/);
  });

  it('it is not if it was cut off, anywhere', async () => {
    const size = readFileSync(realAddon).length;
    for (const length of [1, 10, 63, 64, 500, size >> 1, size - 1]) {
      copyFileSync(realAddon, at('cut.node'));
      truncateSync(at('cut.node'), length);
      assert.match(
        String(await whyNotReady(at('cut.node'))),
        /^(is (truncated|not an addon)|does not load)/,
        `${length}`,
      );
    }
  });
});
