/** The few SVG elements that the pictures need, and colours with the same meaning in all of them. */

export const colour = {
  ink: '#1f2937',
  faint: '#6b7280',
  line: '#cbd5e1',
  paper: '#ffffff',
  panel: '#f8fafc',
  query: '#2563eb',
  key: '#c2620a',
  value: '#047857',
  output: '#7c3aed',
  heat: '#1e3a8a',
};

const font = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif";

/** An element; undefined attributes are omitted. */
export function element(name, attributes = {}, ...children) {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? rounded(value) : escaped(value)}"`)
    .join('');
  const inside = children.flat(Infinity).join('');
  return inside === '' ? `<${name}${written}/>` : `<${name}${written}>${inside}</${name}>`;
}

/** A whole picture on a white background, readable on a dark page, too. */
export function picture(width, height, title, ...children) {
  const body = children.flat(Infinity).map((child) => `  ${child}\n`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}" font-family="${font}" font-size="14" fill="${colour.ink}">
  <title>${escaped(title)}</title>
  <defs>${['line', 'ink', 'faint', 'query', 'key', 'value', 'output'].map(arrowHead).join('')}</defs>
  <rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="12" fill="${colour.paper}" stroke="${colour.line}"/>
${body.join('')}</svg>
`;
}

export function text(x, y, content, attributes = {}) {
  return element('text', { x, y, 'text-anchor': 'middle', ...attributes }, escaped(content));
}

export function box(x, y, width, height, attributes = {}) {
  return element('rect', {
    x,
    y,
    width,
    height,
    rx: 6,
    fill: colour.panel,
    stroke: colour.line,
    ...attributes,
  });
}

/** A box with centred lines of text; the first line is the title. */
export function labelled(x, y, width, height, lines, attributes = {}, ink = colour.ink) {
  const top = y + height / 2 - ((lines.length - 1) * 18) / 2 + 5;
  return [
    box(x, y, width, height, attributes),
    lines.map((line, i) =>
      text(x + width / 2, top + i * 18, line, {
        fill: i === 0 ? ink : colour.faint,
        'font-weight': i === 0 ? 600 : undefined,
        'font-size': i === 0 ? 14 : 12,
      }),
    ),
  ];
}

/** A straight arrow, or one along a path of several points. */
export function arrow(points, name = 'faint', attributes = {}) {
  return element('polyline', {
    points: points.map((point) => point.map(rounded).join(',')).join(' '),
    fill: 'none',
    stroke: colour[name],
    'stroke-width': 1.6,
    'marker-end': `url(#arrow-${name})`,
    ...attributes,
  });
}

/** rows × columns squares; `fill(row, column)` returns the attributes of one. */
export function grid(x, y, rows, columns, size, fill) {
  const cells = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      cells.push(
        element('rect', {
          x: x + column * size,
          y: y + row * size,
          width: size,
          height: size,
          stroke: colour.line,
          ...fill(row, column),
        }),
      );
    }
  }
  return element('g', {}, cells);
}

/** A weight between 0 and 1 as a shade of the colour. */
export function shade(weight, hue = colour.heat) {
  return { fill: hue, 'fill-opacity': rounded(Math.min(1, Math.max(0, weight))) };
}

function arrowHead(name) {
  const tip = element('path', { d: 'M0,0 L8,4 L0,8 z', fill: colour[name] });
  return element(
    'marker',
    {
      id: `arrow-${name}`,
      markerWidth: 8,
      markerHeight: 8,
      refX: 7,
      refY: 4,
      orient: 'auto',
      markerUnits: 'userSpaceOnUse',
    },
    tip,
  );
}

function rounded(value) {
  return Number(value.toFixed(2));
}

function escaped(value) {
  return String(value)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}
