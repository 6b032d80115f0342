/** JSON in files of the format, which may be hostile. */
import { TextDecoder } from 'node:util';
import { HeedError } from '../errors.js';
import { recognise } from './recognise.js';

export function malformed(path: string, problem: string, cause?: unknown): HeedError {
  const options = cause === undefined ? undefined : { cause };
  return new HeedError('HEED_MALFORMED_FILE', `Malformed file ${path}: ${problem}`, options);
}

/** Parses a file that is an object, and names what it is instead. */
export function parseJsonFile(bytes: Uint8Array, what: string, path: string): object {
  if (bytes.length === 0) {
    throw malformed(path, `expected ${what} to start with "{", received "": the file is empty`);
  }
  const received = recognise(bytes, true);
  if (received !== undefined) throw malformed(path, `expected ${what} to be JSON, received ${received}`);
  return parseJson(bytes, what, path);
}

/** Parses an object by the rules of the format; `what` names it in messages. */
export function parseJson(bytes: Uint8Array, what: string, path: string): object {
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw malformed(path, `expected ${what} to be UTF-8`, error);
  }
  if (!text.startsWith('{')) {
    throw malformed(path, `expected ${what} to start with "{", received ${JSON.stringify(text.slice(0, 1))}`);
  }
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw malformed(path, `expected ${what} to be JSON (${(error as Error).message})`, error);
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) {
    throw malformed(
      path,
      `expected every key once, received ${JSON.stringify(duplicate)} twice in one object`,
    );
  }
  return json as object;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value of the file for a message: short and flat, because a hostile file may nest without end. */
export function show(value: unknown): string {
  if (Array.isArray(value)) {
    const shown = value.slice(0, 16).map((item) => (typeof item === 'object' ? '…' : JSON.stringify(item)));
    return `[${shown.join(', ')}${value.length > 16 ? ', …' : ''}]`;
  }
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 120 ? text : `${text.slice(0, 120)}…`;
}

/**
 * The first key that occurs twice in one object of a JSON text, or undefined. `JSON.parse` silently
 * keeps the last of them, where the format forbids them: two readers could see two different files.
 * The text must already be known to be valid JSON.
 */
function findDuplicateKey(json: string): string | undefined {
  const enclosing: (Set<string> | undefined)[] = []; // the keys so far of each open object; undefined for an array
  let expectsKey = false;
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case '{':
        enclosing.push(new Set());
        expectsKey = true;
        break;
      case '[':
        enclosing.push(undefined);
        expectsKey = false;
        break;
      case '}':
      case ']':
        enclosing.pop();
        expectsKey = false;
        break;
      case ',':
        expectsKey = enclosing.at(-1) !== undefined;
        break;
      case '"': {
        const end = closingQuote(json, at);
        if (expectsKey) {
          const key: string = JSON.parse(json.slice(at, end + 1));
          const keys = enclosing.at(-1);
          if (keys?.has(key)) return key;
          keys?.add(key);
          expectsKey = false;
        }
        at = end;
        break;
      }
    }
  }
  return undefined;
}

function closingQuote(json: string, open: number): number {
  let at = open + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at;
}
