/** A row of heads to choose from, each with its whole heat map in small. */
import { find, make } from './elements.js';
import { paint } from './paint.js';
import type { Store } from './view-state.js';

const thumbnailSize = 27;

export function showHeadPicker(store: Store): void {
  const list = find('heads', HTMLFieldSetElement);
  const cards = store.data.heads.map((head, index) => {
    const input = make('input', 'unseen');
    input.type = 'radio';
    input.name = 'head';
    input.value = head.id;
    input.addEventListener('change', () => store.set({ head: index }));
    const canvas = make('canvas', 'thumbnail');
    canvas.setAttribute('aria-hidden', 'true');
    const card = make('label', 'head', input, canvas, make('span', 'head-name', head.title));
    card.dataset.head = head.id;
    list.append(card);
    return { input, canvas };
  });
  let painted: boolean | undefined;
  const update = (): void => {
    cards[store.state.head].input.checked = true;
    if (painted === store.state.causal) return;
    painted = store.state.causal;
    cards.forEach(({ canvas }, index) => {
      paint(canvas, shrink(store.weights(index).weights, store.words.length), thumbnailSize);
    });
  };
  store.follow(update);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    painted = undefined;
    update();
  });
}

/** [size, size] weights as a thumbnail: the heaviest of those that fall on one pixel, lest they fade. */
function shrink(weights: Float32Array, size: number): Float32Array {
  const small = new Float32Array(thumbnailSize * thumbnailSize);
  weights.forEach((weight, i) => {
    const row = Math.floor((Math.floor(i / size) * thumbnailSize) / size);
    const column = Math.floor(((i % size) * thumbnailSize) / size);
    const pixel = row * thumbnailSize + column;
    small[pixel] = Math.max(small[pixel], weight);
  });
  return small;
}
