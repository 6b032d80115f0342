/** The gated feed-forward part of a layer (Shazeer 2020, "GLU Variants Improve Transformer": SwiGLU). */
import { type PackedWeight, packWeight } from '../../projection/packed-weight.js';
import { project } from '../../projection/project.js';
import { Tensor } from '../../tensor/tensor.js';

export class FeedForward implements Disposable {
  /** Gate and way up, one below the other: one product in place of two. */
  readonly #up: PackedWeight;
  readonly #down: PackedWeight;

  /**
   * @param gate [inner, width]
   * @param up [inner, width]
   * @param down [width, inner]
   */
  constructor(gate: Tensor, up: Tensor, down: Tensor) {
    const [inner, width] = gate.dims;
    const both = new Float32Array(2 * inner * width);
    both.set(gate.data as Float32Array);
    both.set(up.data as Float32Array, inner * width);
    this.#up = packWeight(new Tensor(both, [2 * inner, width]));
    this.#down = packWeight(down);
  }

  /** down (silu(gate x) · up x), for x [1, steps, width] */
  async forward(x: Tensor): Promise<Tensor> {
    const both = await project(x, this.#up);
    const [batch, steps, columns] = both.dims;
    const inner = columns / 2;
    const data = both.data as Float32Array;
    const gated = new Float32Array(batch * steps * inner);
    for (let row = 0; row < batch * steps; row++) {
      for (let i = 0; i < inner; i++) {
        const gate = data[row * columns + i];
        gated[row * inner + i] = (gate / (1 + Math.exp(-gate))) * data[row * columns + inner + i];
      }
    }
    return await project(new Tensor(gated, [batch, steps, inner]), this.#down);
  }

  [Symbol.dispose](): void {
    this.#up.dispose();
    this.#down.dispose();
  }
}
