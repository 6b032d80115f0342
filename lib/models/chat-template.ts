/** Conversations as text: what a model was trained to read, by the template beside its weights. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, invalid, isArray } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { isObject } from '../safetensors/json.js';
import { missing } from './optional-package.js';

/** One message of a conversation. */
export interface ChatMessage {
  /** Who says it: 'system', 'user' or 'assistant', and what else a model's template knows. */
  readonly role: string;
  /** What is said. */
  readonly content: string;
}

/** What heed uses of `@huggingface/jinja`. */
interface JinjaPackage {
  readonly Template: new (source: string) => { render(values: Record<string, unknown>): string };
}

type Render = (messages: readonly ChatMessage[]) => Promise<string>;

/** @param config tokenizer_config.json, which has the template unless chat_template.jinja has it */
export async function readTemplate(
  folder: string,
  config: Readonly<Record<string, unknown>>,
): Promise<Render> {
  const file = join(folder, 'chat_template.jinja');
  const source = (await readText(file)) ?? templateIn(config);
  return async (messages) => {
    if (source === undefined) {
      throw new HeedError(
        'HEED_FILE_ERROR',
        `Expected ${folder} to hold a chat template, in chat_template.jinja or in chat_template of tokenizer_config.json, found none: give the prompt as a string`,
      );
    }
    const read = readMessages(messages);
    const { Template }: JinjaPackage = await import('@huggingface/jinja').catch(
      missing('@huggingface/jinja', 'chat templates are rendered'),
    );
    try {
      return new Template(source).render({
        messages: read,
        add_generation_prompt: true,
        ...Object.fromEntries(
          ['bos_token', 'eos_token', 'unk_token', 'pad_token'].map((name) => [name, tokenIn(config[name])]),
        ),
      });
    } catch (error) {
      throw new HeedError(
        'HEED_INVALID_ARGUMENT',
        `Expected the chat template of ${folder} to accept the messages, but it did not: ${(error as Error).message}`,
        { cause: error },
      );
    }
  };
}

export function readMessages(value: unknown): ChatMessage[] {
  if (!isArray(value) || value.length === 0) throw invalid('messages', 'a list of messages', value);
  return value.map((message: unknown, i) => {
    if (!isObject(message)) throw invalid(`messages[${i}]`, 'an object with role and content', message);
    const { role, content } = message;
    if (typeof role !== 'string') throw invalid(`messages[${i}].role`, 'a string', role);
    if (typeof content !== 'string') throw invalid(`messages[${i}].content`, 'a string', content);
    return { role, content };
  });
}

async function readText(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${path}: ${error.message}`, { cause: error });
  });
}

/** The only one, or the one named 'default' of several. */
function templateIn({ chat_template: value }: Readonly<Record<string, unknown>>): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  const named: unknown = Array.isArray(value)
    ? value.find((each) => isObject(each) && each.name === 'default')
    : undefined;
  if (isObject(named) && typeof named.template === 'string') return named.template;
  throw new HeedError(
    'HEED_MALFORMED_FILE',
    `Malformed tokenizer_config.json: expected chat_template to be a template, or a list of them with one named 'default', received ${describe(value)}`,
  );
}

/** Tokens are strings, or objects that describe them. */
function tokenIn(value: unknown): unknown {
  return isObject(value) ? value.content : value;
}
