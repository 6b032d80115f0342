/** Which tensors of a checkpoint are weights of linear maps, by their names and dims. */
import type { SafetensorsFile, TensorInfo } from '../../safetensors/file.js';
import { type FloatType, isFloatType } from '../../tensor/types.js';

/** A weight to quantise. */
export interface LinearWeight {
  readonly name: string;
  readonly type: FloatType;
  /** Of the linear map. */
  readonly columns: number;
  readonly inner: number;
  /** The file has it [in, out]. */
  readonly transposed: boolean;
}

/**
 * Matrices that are no linear maps (embeddings, relative positions, norms for each head), and linear maps in which few
 * numbers decide much (the router of experts, the head that scores all tokens).
 */
const kept =
  /embed|(^|\.)(wte|wpe|shared|lm_head|gate|router)\.weight$|relative_attention_bias|norm|(^|[._])ln[._]/i;

/** Where GPT-2's models keep weights [in, out]. */
const conv1d = /(^|\.)(c_attn|q_attn|c_proj|c_fc)\.weight$/;

/** All floating-point tensors [out, in] whose name ends in `weight`, but for those that are kept. */
export function linearWeights({ tensors }: SafetensorsFile): LinearWeight[] {
  const infos = [...tensors.values()];
  // A fused weight is three times as long as wide: the longer axis is the one of its outputs.
  const isTransposed = infos.some(
    ({ name, dims }) => /(^|\.)c_attn\.weight$/.test(name) && dims.length === 2 && dims[1] > dims[0],
  );
  return infos.flatMap((info) => {
    const type = typeOfLinear(info);
    if (type === undefined) return [];
    const transposed = isTransposed && conv1d.test(info.name);
    const [columns, inner] = transposed ? [...info.dims].reverse() : info.dims;
    return [{ name: info.name, type, columns, inner, transposed }];
  });
}

function typeOfLinear({ name, type, dims, byteLength }: TensorInfo): FloatType | undefined {
  if (type === undefined || !isFloatType(type) || dims.length !== 2 || byteLength === 0) return undefined;
  return /(^|[._])weight$/.test(name) && !kept.test(name) ? type : undefined;
}
