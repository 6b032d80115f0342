/** The text itself, its words tinted by how much the word singled out looks at them. */
import { find, make } from './elements.js';
import type { Store } from './view-state.js';
import { strength } from './weights.js';

export function showPassage(store: Store): void {
  const passage = find('passage', HTMLParagraphElement);
  const { first, total } = store.data;
  const count = store.words.length;
  const spans = store.words.map(({ text, after }, index) => {
    const span = make('span', 'word', text);
    span.addEventListener('mouseenter', () => store.set({ pointed: { side: 'query', index } }));
    span.addEventListener('mouseleave', () => store.set({ pointed: undefined }));
    span.addEventListener('click', () => store.keep(index));
    passage.append(span, index === count - 1 ? after.trimEnd() : after);
    return span;
  });
  if (first > 0) passage.prepend('… ');
  if (first + count < total) passage.append(' …');
  if (count < total) {
    find('window-note', HTMLParagraphElement).textContent =
      `This page shows ${count} of the text's ${total} words, from number ${first + 1} to number ${first + count}. ` +
      'The heads saw all of them; the weight of the words outside this part is shown as “words not shown”.';
  }
  store.follow(() => {
    const { subject } = store;
    spans.forEach((span, index) => {
      span.style.setProperty('--tint', `${Math.round(strength(store.weight(subject, index)) * 80)}%`);
      span.classList.toggle('on', index === subject);
    });
  });
}
