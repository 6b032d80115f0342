/** Weights as an image, one pixel for each; style sheets scale it. */
import { strength } from './weights.js';

/** Draws [size, size] weights in the canvas's text colour: the heavier, the less transparent. */
export function paint(canvas: HTMLCanvasElement, weights: Float32Array, size: number): void {
  canvas.width = size;
  canvas.height = size;
  const context = canvas.getContext('2d');
  if (!context) throw new Error('The browser gives no canvas to draw on');
  const [red, green, blue] = colourOf(canvas);
  const image = context.createImageData(size, size);
  weights.forEach((weight, i) => {
    image.data.set([red, green, blue, Math.round(255 * strength(weight))], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

/** Whatever notation the style sheet uses: the browser itself turns it into bytes. */
function colourOf(element: Element): Uint8ClampedArray {
  const context = new OffscreenCanvas(1, 1).getContext('2d');
  if (!context) throw new Error('The browser gives no canvas to draw on');
  context.fillStyle = getComputedStyle(element).color;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}
