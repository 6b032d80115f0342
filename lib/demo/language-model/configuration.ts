/** The shape of a model, in the words of the config.json that Llama models come with. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Configuration {
  /** The number of tokens. */
  readonly vocab_size: number;
  /** The width of the vector of a token between the layers. */
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** Width of the feed-forward part. */
  readonly intermediate_size: number;
  /** The longest text, in tokens. */
  readonly max_position_embeddings: number;
  /** Base of the frequencies of rotary positions. */
  readonly rope_theta: number;
  readonly rms_norm_eps: number;
}

export async function readConfiguration(folder: string): Promise<Configuration> {
  return JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Configuration;
}
