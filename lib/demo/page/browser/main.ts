/** Puts the page together. */
import type { PageData } from '../page-data.js';
import { find, make } from './elements.js';
import { showHeadPicker } from './head-picker.js';
import { showHeatMap } from './heat-map.js';
import { showInfluences } from './influences.js';
import { showLines } from './lines.js';
import { showPassage } from './passage.js';
import { Store } from './view-state.js';

const data: PageData = JSON.parse(find('data', HTMLScriptElement).text);
const store = new Store(data);

find('subtitle', HTMLParagraphElement).textContent = data.title;
for (const [name, value] of data.facts) {
  find('facts', HTMLDListElement).append(make('div', '', make('dt', '', name), make('dd', '', value)));
}

const causal = find('causal', HTMLInputElement);
const choice = data.heads.some(({ open }) => open);
find('causal-switch', HTMLLabelElement).hidden = !choice;
causal.addEventListener('change', () => store.set({ causal: causal.checked }));
store.follow(() => {
  const head = data.heads[store.state.head];
  causal.checked = store.state.causal;
  document.body.dataset.head = head.id;
  find('head-title', HTMLHeadingElement).textContent = head.title;
  const meaning = store.state.causal ? head.causalMeaning : head.meaning;
  const sentence = find('head-meaning', HTMLParagraphElement);
  if (sentence.textContent !== `Each word ${meaning}.`) sentence.textContent = `Each word ${meaning}.`;
});

showHeadPicker(store);
showHeatMap(store);
showLines(store);
showInfluences(store);
showPassage(store);
