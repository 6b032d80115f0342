/** The steps of a block for each tile of keys, from top to bottom, and the final step. */
import { arrow, colour, labelled, text } from './svg.mjs';

/**
 * @param centre the horizontal centre of the boxes, each `width` wide
 * @param boxes four of them: title, explanation, colour
 * @param end title and explanation of the step after all tiles
 */
export function tileSteps(centre, width, boxes, end) {
  const left = centre - width / 2;
  return [
    text(centre, 40, 'for each tile of keys', { 'font-weight': 600, 'font-size': 16 }),
    boxes.map(([title, what, hue], i) =>
      labelled(left, 66 + i * 64, width, 48, [title, what], { stroke: hue }, hue),
    ),
    [0, 1, 2].map((i) =>
      arrow([
        [centre, 114 + i * 64],
        [centre, 129 + i * 64],
      ]),
    ),
    labelled(left, 342, width, 48, end, {}, colour.output),
    arrow(
      [
        [centre, 306],
        [centre, 340],
      ],
      'output',
    ),
  ];
}
