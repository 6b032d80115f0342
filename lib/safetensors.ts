/**
 * heed/safetensors: tensors in files, in the format of https://huggingface.co/docs/safetensors. A
 * file is eight bytes with the length of a JSON header, the header with every tensor's name, type
 * and shape, and their elements, little-endian and in row-major order.
 *
 * @module safetensors
 */
import './expect-require.js';
// Tensors move to devices: to('cuda').
import './backends/native/native.js';
import { SafetensorsFile } from './safetensors/file.js';
import { readPath } from './safetensors/paths.js';

export type { SafetensorsFile, TensorInfo } from './safetensors/file.js';
export { save } from './safetensors/save.js';

/**
 * Opens a safetensors file and reads its header; `read` reads the elements of a tensor.
 * A model in several files is opened by its index, whose name ends in `.json`, as one file with the
 * tensors of all. Of these files, only those have to be there and well-formed that a tensor is read from.
 *
 * @param path file name or `file:` URL of a file, of an index (`model.safetensors.index.json`), or of a
 *   directory with `model.safetensors` or that index in it
 * @returns the file, to be closed when done
 * @throws HeedError (as a rejection) HEED_FILE_ERROR if the file does not exist or cannot be read, or
 *   no file that the index names can; HEED_MALFORMED_FILE if it is malformed, with the reason and, where it
 *   is something else (a Git LFS pointer, an HTML page, a PyTorch checkpoint, …), its name and what to do
 *
 * @example
 * const file = await open('model.safetensors');
 * const weight = await file.read('query.weight');
 * await file.close();
 */
export async function open(path: string | URL): Promise<SafetensorsFile> {
  return await SafetensorsFile.open(readPath(path, 'path'));
}
