/** Which words influence the one singled out, through every head at once. */
import { find, make } from './elements.js';
import type { Store } from './view-state.js';
import { format } from './weights.js';

/**
 * The most words shown. Space for as many is reserved, so that nothing below moves away from under the
 * pointer.
 */
const longest = 5;

export function showInfluences(store: Store): void {
  const title = find('influences-title', HTMLHeadingElement);
  const cards = store.data.heads.map((head) => {
    const list = make('ol', '');
    const card = make('article', 'card', make('h3', '', head.title), list);
    card.dataset.head = head.id;
    return { card, list };
  });
  find('influences', HTMLDivElement).append(...cards.map(({ card }) => card));
  let shown = '';
  store.follow(() => {
    const { subject, state } = store;
    cards.forEach(({ card }, head) => {
      card.classList.toggle('on', head === state.head);
    });
    const now = `${subject} ${state.causal}`;
    if (now === shown) return;
    shown = now;
    title.textContent = `What “${store.words[subject].text}” looks at, head by head`;
    cards.forEach(({ list }, head) => {
      list.replaceChildren(...influencesOn(store, subject, head));
    });
  });
}

function influencesOn(store: Store, subject: number, head: number): HTMLLIElement[] {
  const { elsewhere, nothing } = store.weights(head);
  const asides: HTMLLIElement[] = [];
  if (elsewhere[subject] >= 0.001) asides.push(bar('words not shown', '', elsewhere[subject], 'aside'));
  if (nothing[subject] >= 0.001) asides.push(bar('nothing', '', nothing[subject], 'aside'));
  const heaviest = store.words
    .map((word, index) => ({ word, distance: index - subject, weight: store.weight(subject, index, head) }))
    .filter(({ weight }) => weight >= 0.001)
    .sort((a, b) => b.weight - a.weight)
    .slice(0, longest - asides.length)
    .map(({ word, distance, weight }) => bar(word.text, distanceText(distance), weight));
  return [...heaviest, ...asides];
}

function distanceText(distance: number): string {
  if (distance === 0) return 'itself';
  return distance < 0 ? `−${-distance}` : `+${distance}`;
}

function bar(name: string, distance: string, weight: number, className = ''): HTMLLIElement {
  const item = make(
    'li',
    className,
    make('span', 'name', name),
    make('span', 'distance', distance),
    make('span', 'number', format(weight)),
  );
  item.style.setProperty('--share', `${(weight * 100).toFixed(2)}%`);
  return item;
}
