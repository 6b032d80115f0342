import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addonPlaces, loadAddon } from '../../lib/native/load.js';
import { nativeStatus } from '../../lib/native.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

describe('loading the addon', () => {
  const at = temporaryDirectory();

  function place(root: string, index: number, content?: string): string {
    const path = join(root, ...addonPlaces[index]);
    mkdirSync(dirname(path), { recursive: true });
    if (content !== undefined) writeFileSync(path, content);
    else copyFileSync(nativeStatus().path as string, path);
    return path;
  }

  it('says where it looked when it is nowhere', () => {
    const { addon, tried, why } = loadAddon(at('nowhere'));
    assert.equal(addon, undefined);
    assert.equal(why, 'it is not built');
    assert.equal(tried.length, addonPlaces.length);
    for (const attempt of tried) assert.match(attempt, /heed\.node: not there$/);
  });

  it('takes the built one when the prebuilt one does not load, and says what was wrong with that', () => {
    const root = at('damaged');
    const prebuilt = place(root, 0, 'not an addon');
    const built = place(root, 1);
    const { addon, path, tried } = loadAddon(root);
    assert.equal(path, built);
    assert.ok(addon?.availableInstructionSets().includes('baseline'));
    assert.equal(tried.length, 1);
    assert.ok(tried[0].startsWith(`${prebuilt}: `), tried[0]);
    assert.match(tried[0], /file too short|invalid ELF header|not a mach-o/i);
  });

  it('prefers the prebuilt one', () => {
    const root = at('both');
    const prebuilt = place(root, 0);
    place(root, 1);
    assert.equal(loadAddon(root).path, prebuilt);
  });

  it('says why when nothing loads', () => {
    const root = at('hopeless');
    place(root, 0, 'not an addon');
    place(root, 1, 'not one either');
    const { addon, tried, why } = loadAddon(root);
    assert.equal(addon, undefined);
    assert.equal(tried.length, 2);
    assert.ok(why && tried[1].endsWith(why));
  });
});
