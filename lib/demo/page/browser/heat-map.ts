/** The weights of one head as a map: a row for each word that looks, a column for each that is looked at. */
import { find, make, reveal } from './elements.js';
import { paint, paintHidden } from './paint.js';
import { hideTooltip, showTooltip } from './tooltip.js';
import type { Store } from './view-state.js';
import { format } from './weights.js';

interface Cell {
  readonly row: number;
  readonly column: number;
}

export function showHeatMap(store: Store): void {
  const count = store.words.length;
  const scroller = find('heat-map', HTMLDivElement);
  const reading = find('reading', HTMLOutputElement);
  const canvas = make('canvas', 'weights');
  const hidden = make('canvas', 'hidden');
  const rowMark = make('div', 'mark row-mark');
  const columnMark = make('div', 'mark column-mark');
  const cells = make('div', 'cells', canvas, hidden, rowMark, columnMark);
  cells.tabIndex = 0;
  cells.setAttribute('role', 'application');
  cells.setAttribute('aria-label', 'Heat map of weights; arrow keys move from cell to cell');
  cells.setAttribute('aria-describedby', 'reading');
  const labels = (className: string) =>
    make('div', className, ...store.words.map(({ text }) => make('span', '', text)));
  const columns = labels('columns');
  const rows = labels('rows');
  const corner = make('div', 'corner', make('span', '', 'looks at →'), make('span', '', 'this word ↓'));
  const grid = make('div', 'grid', corner, columns, rows, cells);
  grid.style.setProperty('--count', String(count));
  scroller.append(grid);

  let cell: Cell | undefined;

  const describe = ({ row, column }: Cell): string => {
    const unseen = store.state.causal && column > row;
    const weight = unseen ? 'hidden' : format(store.weight(row, column));
    return `${store.words[row].text} → ${store.words[column].text}: ${weight}`;
  };
  const pointAt = (next: Cell | undefined): void => {
    cell = next;
    store.set({ pointed: next && { side: 'query', index: next.row } });
  };
  const cellAt = (event: MouseEvent): Cell => {
    const box = cells.getBoundingClientRect();
    const at = (offset: number, length: number) =>
      Math.min(count - 1, Math.max(0, Math.floor((offset / length) * count)));
    return { row: at(event.clientY - box.top, box.height), column: at(event.clientX - box.left, box.width) };
  };

  cells.addEventListener('mousemove', (event) => {
    const next = cellAt(event);
    if (next.row !== cell?.row || next.column !== cell.column) pointAt(next);
    showTooltip(describe(next), event);
  });
  cells.addEventListener('mouseleave', () => {
    hideTooltip();
    pointAt(undefined);
  });
  cells.addEventListener('click', (event) => store.keep(cellAt(event).row));
  cells.addEventListener('focus', () => {
    if (!cell && cells.matches(':focus-visible')) pointAt({ row: store.subject, column: store.subject });
  });
  cells.addEventListener('blur', () => pointAt(undefined));
  cells.addEventListener('keydown', (event) => {
    const moves: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      Home: [0, -count],
      End: [0, count],
      PageUp: [-10, 0],
      PageDown: [10, 0],
    };
    const at = cell ?? { row: store.subject, column: store.subject };
    if (event.key === 'Enter' || event.key === ' ') store.keep(at.row);
    else if (event.key in moves) {
      const within = (index: number) => Math.min(count - 1, Math.max(0, index));
      const [down, right] = moves[event.key];
      pointAt({ row: within(at.row + down), column: within(at.column + right) });
      scrollTo(cell);
    } else return;
    event.preventDefault();
  });

  function scrollTo(target: Cell | undefined): void {
    if (!target) return;
    rows.children[target.row].scrollIntoView({ block: 'nearest', inline: 'nearest' });
    columns.children[target.column].scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  let painted = '';
  const update = (): void => {
    const { head, causal } = store.state;
    const now = `${head} ${causal}`;
    if (now !== painted) {
      painted = now;
      paint(canvas, store.weights().weights, count);
      paintHidden(hidden, count);
      grid.classList.toggle('causal', causal);
    }
    if (store.active?.side === 'query' && !scroller.matches(':hover, :focus-within')) {
      reveal(scroller, rows.children[store.active.index]);
    }
    const row = cell?.row ?? (store.active?.side === 'query' ? store.active.index : undefined);
    const column = cell?.column ?? (store.active?.side === 'key' ? store.active.index : undefined);
    mark(rowMark, '--row', rows, row);
    mark(columnMark, '--column', columns, column);
    reading.textContent = cell ? describe(cell) : 'Point at a cell, or move with the arrow keys';
  };
  store.follow(update);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    painted = '';
    update();
  });
  showCellSize(grid, scroller, count);
  reveal(scroller, rows.children[store.data.chosen]);
  scroller.scrollLeft = scroller.scrollWidth * (store.data.chosen / count) - scroller.clientWidth * 0.6;
}

/** Shows the mark of a row or column, and sets off its label. */
function mark(element: HTMLElement, property: string, labels: Element, index: number | undefined): void {
  element.hidden = index === undefined;
  labels.querySelector('.on')?.classList.remove('on');
  if (index === undefined) return;
  element.style.setProperty(property, String(index));
  labels.children[index].classList.add('on');
}

function showCellSize(grid: HTMLElement, scroller: HTMLElement, count: number): void {
  const input = find('cell-size', HTMLInputElement);
  const apply = (): void => {
    grid.style.setProperty('--cell', `${input.value}px`);
    // Labels are as large as their row is high, and unreadable below this size.
    grid.classList.toggle('crowded', input.valueAsNumber < 9);
  };
  const fitting = Math.floor((scroller.clientWidth - 110) / count);
  input.valueAsNumber = Math.min(26, Math.max(13, fitting));
  input.addEventListener('input', apply);
  apply();
}
