/** What a file is that is not what was expected, by its first bytes, and what to do about it. */

/** How many bytes of a file it takes: a tar archive says what it is behind its first header. */
export const recognisableLength = 512;

interface Kind {
  readonly is: (bytes: Uint8Array, text: string) => boolean;
  /** With an article. */
  readonly what: string;
  readonly advice: string;
}

const starts =
  (...bytes: number[]) =>
  (actual: Uint8Array) =>
    bytes.every((byte, i) => actual[i] === byte);
const says = (start: string) => (_: Uint8Array, text: string) => text.startsWith(start);

const convert = 'convert it, for example with save_file of the Python package safetensors';
const unpack = 'unpack it';
const again = 'download the file again';

/** Zip archives of PyTorch and NumPy name what is in them near their start. */
const zipNames: readonly [RegExp, string][] = [
  [/data\.pkl|archive\/|byteorder/, 'a zip archive with a PyTorch checkpoint (.bin, .pt, .pth)'],
  [/\.npy/, 'a zip archive with NumPy arrays (.npz)'],
];

const kinds: readonly Kind[] = [
  {
    is: says('version https://git-lfs.github.com/spec/'),
    what: 'a Git LFS pointer, which stands for the file',
    advice: 'fetch the file itself, for example with git lfs pull',
  },
  ...zipNames.map(([name, what]) => ({
    is: (bytes: Uint8Array, text: string) => says('PK\u0003\u0004')(bytes, text) && name.test(text),
    what,
    advice: convert,
  })),
  {
    is: starts(0x50, 0x4b),
    what: 'a zip archive, as PyTorch (.bin, .pt, .pth), NumPy (.npz) and Keras (.keras) write',
    advice: `${unpack}, or ${convert}`,
  },
  {
    is: says('GGUF'),
    what: 'a GGUF file of llama.cpp',
    advice: 'take the safetensors files of the same model',
  },
  {
    is: (_, text) => /^(lmgg|fmgg|tjgg|algg)/.test(text),
    what: 'a GGML file of llama.cpp',
    advice: 'take the safetensors files of the same model',
  },
  {
    is: (bytes) => bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5,
    what: 'a Python pickle, as early versions of PyTorch wrote (.bin, .pt, .pth)',
    advice: convert,
  },
  { is: says('\u0089HDF\r\n\u001a\n'), what: 'an HDF5 file, as Keras wrote (.h5)', advice: convert },
  { is: says('\u0093NUMPY'), what: 'an array of NumPy (.npy)', advice: convert },
  { is: starts(0x1f, 0x8b), what: 'a gzip archive (.gz)', advice: unpack },
  { is: starts(0x28, 0xb5, 0x2f, 0xfd), what: 'a Zstandard archive (.zst)', advice: unpack },
  { is: starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), what: 'an xz archive (.xz)', advice: unpack },
  { is: (_, text) => /^BZh[1-9]1AY/.test(text), what: 'a bzip2 archive (.bz2)', advice: unpack },
  { is: starts(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c), what: 'a 7z archive (.7z)', advice: unpack },
  { is: (_, text) => text.startsWith('ustar', 257), what: 'a tar archive (.tar)', advice: unpack },
  { is: (_, text) => text.startsWith('TFL3', 4), what: 'a TensorFlow Lite model (.tflite)', advice: convert },
  {
    // A map of a few names.
    is: (bytes) => bytes[0] > 0x80 && bytes[0] < 0x90 && bytes[1] > 0xa0 && bytes[1] < 0xc0,
    what: 'a MessagePack file, as Flax writes (.msgpack)',
    advice: convert,
  },
  {
    // The first field of a model is its version, a small number; the next says who wrote it.
    is: (bytes) =>
      bytes[0] === 0x08 &&
      bytes[1] > 0 &&
      bytes[1] < 0x20 &&
      [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(bytes[2]),
    what: 'an ONNX model (.onnx)',
    advice: 'take the weights that it was exported from',
  },
  {
    is: (_, text) => /^(\u00ef\u00bb\u00bf)?\s*<(!doctype html|html|head|body|!--)/i.test(text),
    what: 'an HTML page, as a download gives that failed or needs a login',
    advice: again,
  },
  {
    is: (_, text) => /^(\u00ef\u00bb\u00bf)?\s*<(\?xml|[a-z])/i.test(text),
    what: 'an XML document, as a download gives that failed',
    advice: again,
  },
];

const json: Kind = {
  is: (_, text) => /^(\u00ef\u00bb\u00bf)?\s*[[{]\s*["\]}[{]/.test(text),
  what: 'JSON',
  advice: "the name of an index of several files ends in '.json', and config.json is read with its directory",
};

/** The beginning of a text, as servers answer in place of a file. */
function plainText(text: string): string | undefined {
  const [line] = text.split(/[\r\n]/, 1);
  return line.length >= 8 && /^[ -~]+$/.test(line) ? line : undefined;
}

/**
 * What a file is, and what to do; undefined for one whose beginning says nothing.
 *
 * @param expectsJson whether JSON is what was expected
 */
export function recognise(bytes: Uint8Array, expectsJson = false): string | undefined {
  const text = Buffer.from(bytes.subarray(0, recognisableLength)).toString('latin1');
  const kind = [...kinds, ...(expectsJson ? [] : [json])].find(({ is }) => is(bytes, text));
  if (kind) return `${kind.what}: ${kind.advice}`;
  const line = plainText(text);
  if (line === undefined || (expectsJson && /^\s*[[{]/.test(line))) return undefined;
  const shown = line.length <= 60 ? line : `${line.slice(0, 60)}…`;
  return `text that begins with ${JSON.stringify(shown)}: ${again}`;
}
