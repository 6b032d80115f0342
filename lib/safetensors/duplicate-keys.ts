/**
 * The first key that occurs twice in one object of a JSON text, or undefined. `JSON.parse` silently
 * keeps the last of them, where the format forbids them: two readers could see two different files.
 * The text must already be known to be valid JSON.
 */
export function findDuplicateKey(json: string): string | undefined {
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
