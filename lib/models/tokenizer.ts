/** Text as tokens, by the tokenizer.json of a model, and conversations as text, by its chat template. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { isObject, malformed, parseJsonFile } from '../safetensors/json.js';
import { type ChatMessage, readTemplate } from './chat-template.js';
import { missing } from './optional-package.js';

/** The text of a model as its tokens. */
export interface Tokenizer {
  /**
   * A text as tokens.
   *
   * @param text any text
   * @param special whether to put the tokens around it that the model expects around a text. Default true.
   */
  encode(text: string, special?: boolean): number[];
  /** Tokens as text, without special ones; what is no whole character is U+FFFD. */
  decode(tokens: readonly number[]): string;
  /** A conversation as the text that the model's chat template makes of it, up to where its answer begins. */
  applyChatTemplate(messages: readonly ChatMessage[]): Promise<string>;
}

/** What heed uses of `@huggingface/tokenizers`. */
interface TokenizersPackage {
  readonly Tokenizer: new (
    json: object,
    config: object,
  ) => {
    encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
    decode(ids: number[], options: { skip_special_tokens: boolean }): string;
  };
}

/** Undefined where the folder has no tokenizer.json. */
export async function readTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const path = join(folder, 'tokenizer.json');
  const json = await readJson(path);
  if (json === undefined) return undefined;
  const config = (await readJson(join(folder, 'tokenizer_config.json'))) ?? {};
  const template = await readTemplate(folder, config);
  const { Tokenizer }: TokenizersPackage = await import('@huggingface/tokenizers').catch(
    missing('@huggingface/tokenizers', `${path} is read`),
  );
  let made: InstanceType<TokenizersPackage['Tokenizer']>;
  try {
    made = new Tokenizer(json, config);
  } catch (error) {
    throw malformed(path, (error as Error).message, error);
  }
  return {
    encode(text, special = true) {
      if (typeof text !== 'string') {
        throw new HeedError(
          'HEED_INVALID_ARGUMENT',
          `Expected text to be a string, received ${describe(text)}`,
        );
      }
      return made.encode(text, { add_special_tokens: special }).ids;
    },
    decode: (tokens) => (tokens.length === 0 ? '' : made.decode([...tokens], { skip_special_tokens: true })),
    applyChatTemplate: (messages) => template(messages),
  };
}

/** Undefined where there is no such file. */
export async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${path}: ${error.message}`, { cause: error });
  });
  if (bytes === undefined) return undefined;
  // Unlike headers of tensors, these files begin as their writers like.
  const value: unknown = parseJsonFile(bytes, 'the file', path);
  if (!isObject(value)) throw malformed(path, 'expected an object');
  return value;
}
