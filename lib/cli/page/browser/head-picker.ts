/** A row of heads to choose from, each with its whole heat map in small. */
import { find, make } from './elements.js';
import { paint } from './paint.js';
import type { Store } from './view-state.js';

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
      paint(canvas, store.weights(index).weights, store.words.length);
    });
  };
  store.follow(update);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    painted = undefined;
    update();
  });
}
