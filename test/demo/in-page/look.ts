/** Runs in the page under test and reads what Playwright's locators cannot. */

const look = {
  /** Scrolls a cell of the heat map to a place where nothing covers it. */
  scrollToCell(row: number, column: number): void {
    const scroller = document.getElementById('heat-map');
    const cells = scroller?.querySelector('.cells')?.getBoundingClientRect();
    const count = scroller?.querySelectorAll('.rows span').length ?? 0;
    if (!scroller || !cells) throw new Error('there is no heat map');
    scroller.scrollIntoView();
    const middle = (index: number, length: number) => ((index + 0.5) / count) * length;
    scroller.scrollTop = middle(row, cells.height) - 200;
    scroller.scrollLeft = middle(column, cells.width) - 300;
  },

  /** How opaque every cell is, from 0 to 255. */
  opacities(): number[] {
    const canvas = document.querySelector<HTMLCanvasElement>('.cells .weights');
    const image = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height);
    return Array.from(image?.data ?? []).filter((_, i) => i % 4 === 3);
  },

  lines(): { query: number; key: number; opacity: number }[] {
    return Array.from(document.querySelectorAll<SVGPathElement>('.board path'), (path) => ({
      query: Number(path.dataset.query),
      key: Number(path.dataset.key),
      opacity: Number(path.getAttribute('stroke-opacity')),
    }));
  },

  focused(): string {
    return document.activeElement?.className ?? '';
  },

  /** The texts of all parts of all items of all cards. */
  cards(): string[][][] {
    return Array.from(document.querySelectorAll('.card'), (card) =>
      Array.from(card.querySelectorAll('li'), (item) =>
        Array.from(item.children, (part) => part.textContent ?? ''),
      ),
    );
  },

  /** The contrast of texts with their background, as WCAG 2.2 defines it. */
  contrasts(): Record<string, number> {
    const contrasts: Record<string, number> = {};
    const texts = [
      'h1',
      '#subtitle',
      '#head-title',
      '#head-meaning',
      '.rows span',
      '.words li',
      '.card h3',
      'dt',
    ];
    for (const selector of texts) {
      const element = document.querySelector(selector);
      let behind = element;
      while (behind && bytesOf(getComputedStyle(behind).backgroundColor)[3] === 0)
        behind = behind.parentElement;
      if (!element || !behind) throw new Error(`there is no ${selector}`);
      const text = luminance(getComputedStyle(element).color);
      const ground = luminance(getComputedStyle(behind).backgroundColor);
      contrasts[selector] = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    }
    return contrasts;
  },
};

Object.assign(globalThis, { look });

function bytesOf(colour: string): Uint8ClampedArray {
  const context = new OffscreenCanvas(1, 1).getContext('2d');
  if (!context) throw new Error('there is no canvas');
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

function luminance(colour: string): number {
  const [red, green, blue] = Array.from(bytesOf(colour), (byte) =>
    byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
