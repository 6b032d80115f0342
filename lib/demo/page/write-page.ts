import { writeFile } from 'node:fs/promises';
import { HeedError } from '../../errors.js';

/** @throws HeedError HEED_FILE_ERROR */
export async function writePage(path: string, page: string): Promise<void> {
  try {
    await writeFile(path, page);
  } catch (error) {
    throw new HeedError('HEED_FILE_ERROR', `Could not write ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
