/** Expects that bad input gives a HeedError with a code, thrown or as a rejection. */
import assert from 'node:assert/strict';
import { HeedError, type HeedErrorCode } from '../../lib/errors.js';

function check(error: unknown, code: HeedErrorCode, message: RegExp): true {
  assert.ok(error instanceof HeedError, `not a HeedError: ${error}`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
}

export function throwsHeed(call: () => unknown, code: HeedErrorCode, message: RegExp | string): void {
  assert.throws(call, (error) => check(error, code, toRegExp(message)));
}

export async function rejectsHeed(
  call: () => Promise<unknown>,
  code: HeedErrorCode,
  message: RegExp | string,
): Promise<void> {
  await assert.rejects(call, (error) => check(error, code, toRegExp(message)));
}

/** The message must contain a string literally. */
function toRegExp(message: RegExp | string): RegExp {
  return typeof message === 'string' ? new RegExp(message.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : message;
}
