/** All rows, in the order of the report. */
import type { Row } from '../row.js';
import { attentionRows } from './attention.js';
import { cacheRows } from './caches.js';
import { decodingRows } from './decoding.js';
import { halfPrecisionRows } from './halves.js';
import {
  bfloat16LayerRows,
  bfloat16ProjectionRows,
  int8LayerRows,
  layerRows,
  projectionRows,
} from './projections.js';
import { smallCallRows } from './small-calls.js';

export const allRows: readonly Row[] = [
  ...attentionRows,
  ...decodingRows,
  ...cacheRows,
  ...projectionRows,
  ...bfloat16ProjectionRows,
  ...layerRows,
  ...bfloat16LayerRows,
  ...int8LayerRows,
  ...halfPrecisionRows,
  ...smallCallRows,
];
