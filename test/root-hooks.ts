/**
 * Loaded before any test file: settles the seed of every random input, and says it, so that a failure
 * can be repeated with HEED_TEST_SEED. Child processes and workers inherit it through the environment.
 */
import { randomInt } from 'node:crypto';

process.env.HEED_TEST_SEED ??= String(randomInt(2 ** 32));

export const mochaHooks = {
  beforeAll() {
    console.log(`  seed ${process.env.HEED_TEST_SEED} (HEED_TEST_SEED repeats it)\n`);
  },
};
