/** The task of a pool: works until it is cancelled. */
import { work } from './endless-operations.js';

export default work;
