export * from './serving.js';
