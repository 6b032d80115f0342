/** The ESM face of the package: the very classes and functions that CommonJS gets. */
export * from './index.js';
