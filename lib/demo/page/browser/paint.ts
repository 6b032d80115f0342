/** Weights as an image, one pixel for each; style sheets scale it. */
import { strength } from './weights.js';

/** Draws [size, size] weights in the canvas's text colour: the heavier, the less transparent. */
export function paint(canvas: HTMLCanvasElement, weights: Float32Array, size: number): void {
  const context = blank(canvas, size);
  const [red, green, blue] = colourOf(canvas);
  const image = context.createImageData(size, size);
  weights.forEach((weight, i) => {
    image.data.set([red, green, blue, Math.round(255 * strength(weight))], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

/** Draws in the canvas's text colour what may not be looked at: every word after the one that looks. */
export function paintHidden(canvas: HTMLCanvasElement, size: number): void {
  const context = blank(canvas, size);
  context.fillStyle = getComputedStyle(canvas).color;
  for (let row = 0; row < size; row++) context.fillRect(row + 1, row, size, 1);
}

function blank(canvas: HTMLCanvasElement, size: number): CanvasRenderingContext2D {
  canvas.width = size;
  canvas.height = size;
  const context = canvas.getContext('2d');
  if (!context) throw new Error('The browser gives no canvas to draw on');
  return context;
}

/** Whatever notation the style sheet uses: the browser itself turns it into bytes. */
function colourOf(element: Element): Uint8ClampedArray {
  const context = new OffscreenCanvas(1, 1).getContext('2d');
  if (!context) throw new Error('The browser gives no canvas to draw on');
  context.fillStyle = getComputedStyle(element).color;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}
