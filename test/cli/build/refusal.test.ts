import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { explain, isSystemError } from '../../../lib/cli/build/complaints.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

describe('what the operating system refuses', () => {
  const at = temporaryDirectory();

  it('is told with the place, the reason and what to do', () => {
    writeFileSync(at('file'), '');
    try {
      mkdirSync(at('file/folder'));
    } catch (error) {
      assert.ok(isSystemError(error));
      assert.deepEqual(explain(error), {
        what: `could not make the folder ${at('file/folder')}: a file is in the place of a folder (ENOTDIR)`,
        remedy: 'remove or rename that file',
      });
      return;
    }
    assert.fail('a folder in a file');
  });

  for (const code of ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EISDIR', 'ELOOP', 'EMFILE', 'EIO']) {
    it(`is told for ${code}`, () => {
      assert.ok(code in constants.errno);
      const error = Object.assign(new Error(`${code}: something`), {
        code,
        syscall: 'copyfile',
        dest: '/heed.node',
      });
      const { what, remedy } = explain(error);
      assert.match(what, new RegExp(`^could not write /heed\\.node: .+ \\(${code}\\)$`));
      assert.ok(remedy.length > 10);
    });
  }

  it('is nothing else', () => {
    assert.equal(isSystemError(new TypeError('no')), false);
    assert.equal(isSystemError(Object.assign(new Error('no'), { code: 'MODULE_NOT_FOUND' })), false);
  });
});
