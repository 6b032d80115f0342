/** The same weights as lines from each word on the left to the words on the right that it looks at. */
import { find, make, reveal } from './elements.js';
import type { Pointed, Store } from './view-state.js';
import { format, strength } from './weights.js';

/** Fainter lines than this are not worth drawing. */
const faintest = 0.01;
const svg = 'http://www.w3.org/2000/svg';

export function showLines(store: Store): void {
  const count = store.words.length;
  const scroller = find('lines', HTMLDivElement);
  const showAll = find('show-all', HTMLButtonElement);
  const drawing = document.createElementNS(svg, 'svg');
  drawing.setAttribute('aria-hidden', 'true');
  drawing.setAttribute('preserveAspectRatio', 'none');
  drawing.setAttribute('viewBox', `0 0 100 ${count}`);
  const queries = column(store, 'query');
  const keys = column(store, 'key');
  const board = make('div', 'board', queries, keys);
  queries.after(drawing);
  scroller.append(board);

  queries.tabIndex = 0;
  queries.setAttribute('role', 'listbox');
  queries.setAttribute('aria-label', 'Words that look; arrow keys move from word to word');
  [...queries.children].forEach((item, index) => {
    item.setAttribute('role', 'option');
    item.id = `query-${index}`;
  });
  queries.addEventListener('keydown', (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -count, End: count }[
      event.key
    ];
    if (step === undefined) return;
    const { kept } = store.state;
    const index = kept === undefined ? store.data.chosen : Math.min(count - 1, Math.max(0, kept + step));
    store.set({ kept: index, pointed: undefined });
    reveal(scroller, queries.children[index]);
    event.preventDefault();
  });
  showAll.addEventListener('click', () => store.set({ kept: undefined, pointed: undefined }));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') store.set({ kept: undefined, pointed: undefined });
  });

  let drawn = '';
  const update = (): void => {
    const { head, causal, kept } = store.state;
    const active = store.active;
    showAll.hidden = kept === undefined;
    const now = `${head} ${causal} ${active?.side} ${active?.index}`;
    if (now === drawn) return;
    drawn = now;
    drawing.replaceChildren(...linesFor(store, active));
    shade(store, queries, active?.side === 'key' ? active : undefined);
    shade(store, keys, active?.side === 'query' ? active : undefined);
    setOff(queries, active?.side === 'query' ? active.index : undefined);
    setOff(keys, active?.side === 'key' ? active.index : undefined);
    if (active?.side === 'query' && !scroller.matches(':hover')) {
      reveal(scroller, queries.children[active.index]);
    }
    if (kept === undefined) queries.removeAttribute('aria-activedescendant');
    else queries.setAttribute('aria-activedescendant', `query-${kept}`);
  };
  store.follow(update);
  reveal(scroller, queries.children[store.data.chosen]);
}

function column(store: Store, side: Pointed['side']): HTMLUListElement {
  const list = make('ul', `words ${side}`);
  store.words.forEach(({ text }, index) => {
    const item = make('li', '', make('span', 'word', text), make('span', 'number'));
    item.addEventListener('mouseenter', () => store.set({ pointed: { side, index } }));
    if (side === 'query') item.addEventListener('click', () => store.keep(index));
    list.append(item);
  });
  list.addEventListener('mouseleave', () => store.set({ pointed: undefined }));
  return list;
}

function linesFor(store: Store, active: Pointed | undefined): SVGPathElement[] {
  const lines: SVGPathElement[] = [];
  const indices = store.words.map((_, index) => index);
  const queries = active?.side === 'query' ? [active.index] : indices;
  const keys = active?.side === 'key' ? [active.index] : indices;
  for (const query of queries) {
    for (const key of keys) {
      const weight = store.weight(query, key);
      if (weight < faintest) continue;
      const line = document.createElementNS(svg, 'path');
      line.setAttribute('d', `M0 ${query + 0.5}C40 ${query + 0.5} 60 ${key + 0.5} 100 ${key + 0.5}`);
      line.setAttribute('stroke-opacity', strength(weight).toFixed(4));
      line.dataset.query = String(query);
      line.dataset.key = String(key);
      lines.push(line);
    }
  }
  return lines;
}

/** Tints the words that the active one looks at, or that look at it, and says how much. */
function shade(store: Store, list: Element, active: Pointed | undefined): void {
  [...list.children].forEach((item, index) => {
    if (!(item instanceof HTMLElement)) return;
    const [query, key] = active?.side === 'query' ? [active.index, index] : [index, active?.index ?? 0];
    const weight = active ? store.weight(query, key) : 0;
    item.style.setProperty('--tint', `${Math.round(strength(weight) * 70)}%`);
    const number = item.querySelector('.number');
    if (number) number.textContent = weight >= faintest ? format(weight) : '';
  });
}

function setOff(list: Element, index: number | undefined): void {
  list.querySelector('.on')?.classList.remove('on');
  list.querySelector('[aria-selected]')?.removeAttribute('aria-selected');
  if (index === undefined) return;
  list.children[index].classList.add('on');
  list.children[index].setAttribute('aria-selected', 'true');
}
