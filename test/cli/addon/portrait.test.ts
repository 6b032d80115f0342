import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { availableInstructionSets } from '../../../lib/backends/native/native.js';
import { readElf } from '../../../lib/cli/addon/elf.js';
import { compareVersions, glibcVersion, misfit, portrait } from '../../../lib/cli/addon/portrait.js';
import { processorInstructionSets } from '../../../lib/cli/processor.js';
import { packageRoot } from '../../../lib/package-root.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { compile, realAddon } from './fixtures.js';

it('compares versions by their numbers', () => {
  assert.ok(compareVersions('2.9', '2.36') < 0);
  assert.ok(compareVersions('3.19', '3.18.4') > 0);
  assert.equal(compareVersions('12', '12.0.0'), 0);
});

if (process.platform === 'linux') {
  describe('what the file of an addon tells', () => {
    const at = temporaryDirectory();

    it('is what it needs and holds', () => {
      const seen = portrait(realAddon);
      assert.equal(seen?.machine, process.arch);
      assert.equal(seen?.libc, glibcVersion() === undefined ? 'musl' : 'glibc');
      if (seen?.libc === 'glibc') assert.ok(compareVersions(String(seen.glibc), String(glibcVersion())) <= 0);
      // The instruction sets that this processor has.
      const has = processorInstructionSets(packageRoot);
      assert.deepEqual(
        seen?.instructionSets?.filter((set) => has?.includes(set)),
        availableInstructionSets(),
      );
      assert.equal(misfit(realAddon), undefined);
    });

    /** The addon, with some of its bytes changed. */
    function changed(name: string, change: (bytes: Buffer) => void): string {
      const bytes = readFileSync(realAddon);
      change(bytes);
      writeFileSync(at(name), bytes);
      return at(name);
    }

    it('is for which processor it is', () => {
      const [other, name] = process.arch === 'arm64' ? [62, 'x64'] : [183, 'arm64'];
      const path = changed('other.node', (bytes) => bytes.writeUInt16LE(other, 18));
      assert.equal(misfit(path), `is for ${name}, but this is ${process.arch}`);
      assert.equal(portrait(path)?.machine, name);
      const unknown = changed('unknown.node', (bytes) => bytes.writeUInt16LE(9999, 18));
      assert.equal(misfit(unknown), `is for machine 9999, but this is ${process.arch}`);
    });

    if (glibcVersion() !== undefined) {
      it('is which C library it is for', () => {
        const musl = `libc.musl-${process.arch}.so.1`;
        compile(at(musl), 'int in_libc() { return 1; }', [`-Wl,-soname,${musl}`]);
        const path = compile(at('musl.node'), 'int in_libc(); int f() { return in_libc(); }', [at(musl)]);
        assert.equal(portrait(path)?.libc, 'musl');
        assert.match(String(misfit(path)), /^is for musl, but this system has glibc 2\.\d+$/);
      });

      it('is how late a glibc it needs', () => {
        const needed = String(portrait(realAddon)?.glibc);
        const later = `9${needed.slice(1)}`;
        const path = changed('later.node', (bytes) => {
          const name = `GLIBC_${needed}\0`;
          for (let i = bytes.indexOf(name); i >= 0; i = bytes.indexOf(name, i + 1))
            bytes.write(`GLIBC_${later}`, i);
        });
        assert.equal(misfit(path), `needs glibc ${later}, but this system has ${glibcVersion()}`);
      });
    }

    it('is nothing where bytes are wrong, whichever they are', () => {
      const whole = readFileSync(compile(at('small.node'), 'int x;'));
      copyFileSync(at('small.node'), at('broken.node'));
      for (let i = 4; i < 2048; i++) {
        const bytes = Buffer.from(whole);
        bytes[i] ^= 0xff;
        try {
          readElf(bytes);
        } catch (error) {
          assert.equal((error as Error).constructor.name, 'MalformedElf', `byte ${i}: ${error}`);
        }
      }
    });
  });
}
