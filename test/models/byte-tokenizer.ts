/** A tokenizer.json like that of GPT-2: bytes, of which a few pairs are merged, so that tokens end within characters. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const beginning = '<s>';
export const end = '</s>';
export const tokensOfBytes = { beginning: 0, end: 1, first: 2 };
const merges = ['h e', 'l l', 'he ll', 'Ġ w', 'o r', 'Ã ©'];

/** The number of its tokens. */
export const byteVocabulary = tokensOfBytes.first + 256 + merges.length;

/** GPT-2 writes each byte as a character that can be seen. */
function characters(): string[] {
  const isSeen = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let unseen = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isSeen(byte) ? byte : 256 + unseen++));
}

/** @param config of tokenizer_config.json, beside the names of special tokens */
export async function writeTokenizer(folder: string, config: object = {}): Promise<void> {
  const tokens = [beginning, end, ...characters(), ...merges.map((merge) => merge.replace(' ', ''))];
  const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const json = {
    version: '1.0',
    added_tokens: [
      { id: tokensOfBytes.beginning, content: beginning, ...special },
      { id: tokensOfBytes.end, content: end, ...special },
    ],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: beginning, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { [beginning]: { id: beginning, ids: [tokensOfBytes.beginning], tokens: [beginning] } },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(json));
  await writeFile(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ bos_token: beginning, eos_token: { content: end }, ...config }),
  );
}
