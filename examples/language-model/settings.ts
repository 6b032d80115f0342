/** The shape of the model, and the settings of its training. */
import type { Configuration } from '../../lib/demo/language-model/configuration.js';

export const configuration: Configuration = {
  vocab_size: 768,
  hidden_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 256,
  max_position_embeddings: 256,
  rope_theta: 10_000,
  rms_norm_eps: 1e-5,
};

/** A part of the training: what is read in it, and how. */
export interface Lesson {
  readonly steps: number;
  /** Sequences in a step: of stories, and of random tokens that come again and again. */
  readonly stories: number;
  readonly echoes: number;
  /** Tokens in a sequence. */
  readonly length: number;
  /** After so many tokens random tokens come again: at least, and at most. */
  readonly periods: readonly [least: number, most: number];
  /** The factor of the learning rate for the embedding. */
  readonly embeddingPace: number;
}

export interface TrainingSettings {
  /** Decides about the first weights, and about the stories. */
  readonly seed: string;
  readonly lessons: readonly Lesson[];
  /** Of Adam (Kingma and Ba 2015): it rises to this in so many steps, and falls as a cosine to a twentieth in the last so many. */
  readonly learningRate: number;
  readonly warmUpSteps: number;
  readonly fallingSteps: number;
  /** How much of its means of gradients, and of their squares, Adam keeps from step to step. */
  readonly momentum: readonly [number, number];
  /** How often the loss is noted, and measured on so many batches of held-out stories, of so many sequences. */
  readonly stepsBetweenPoints: number;
  readonly heldOutBatches: number;
  readonly heldOutSequences: number;
  /** Stories that the tokens are learnt from. */
  readonly storiesForTokens: number;
}

export const training: TrainingSettings = {
  seed: 'heed',
  lessons: [
    // To look back. It is learnt soonest where it pays most: in short sequences with nothing else to go by.
    { steps: 500, stories: 0, echoes: 16, length: 64, periods: [3, 31], embeddingPace: 0.03 },
    // To tell stories, and to look back further: much repetition in a short stretch would teach it to repeat itself.
    { steps: 600, stories: 7, echoes: 1, length: 256, periods: [32, 127], embeddingPace: 1 },
    // And to stop repeating when a story has gone on: nothing but stories, until the end.
    { steps: 400, stories: 8, echoes: 0, length: 256, periods: [32, 127], embeddingPace: 1 },
  ],
  learningRate: 3e-3,
  warmUpSteps: 100,
  fallingSteps: 700,
  momentum: [0.9, 0.95],
  stepsBetweenPoints: 50,
  heldOutBatches: 2,
  heldOutSequences: 8,
  storiesForTokens: 600,
};

export function stepsOf({ lessons }: Pick<TrainingSettings, 'lessons'>): number {
  return lessons.reduce((sum, { steps }) => sum + steps, 0);
}

/** Stories that the model is not trained on begin with this seed. */
export const heldOutSeed = 'held out';
