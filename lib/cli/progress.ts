/** A progress bar on stderr for long work; none if stderr is not a terminal. */
import { SingleBar } from 'cli-progress';

export class Progress implements Disposable {
  readonly #bar: SingleBar;
  #done = 0;

  constructor(
    private readonly steps: number,
    stream: NodeJS.WritableStream = process.stderr,
  ) {
    this.#bar = new SingleBar({
      format: '{bar} {percentage} % · {label}',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 30,
      hideCursor: true,
      clearOnComplete: true,
      stream,
    });
    this.#bar.start(steps, 0, { label: 'beginning' });
  }

  /** Names the next step; everything before it is done. */
  begin(label: string): void {
    this.#bar.update(this.#done, { label });
    this.#done++;
  }

  /** How much of what was begun is done, from 0 to 1. */
  advance(share: number): void {
    this.#bar.update(Math.min(this.steps, this.#done - 1 + Math.min(1, share)));
  }

  [Symbol.dispose](): void {
    this.#bar.stop();
  }
}
