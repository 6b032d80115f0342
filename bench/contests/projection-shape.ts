/** The work of a projection row, and its inputs. */
export interface ProjectionShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  /** The type of heed's weight. */
  readonly weightType?: 'bfloat16' | 'int8' | 'int4';
  /** The type of heed's input and output. */
  readonly inputType?: 'float32' | 'bfloat16';
  /** Each turn takes another weight, so that it comes from memory. */
  readonly cold?: boolean;
}

/** All others multiply the same numbers in float32; those that heed rounds to int8 or int4, as they were. */
export interface ProjectionInputs {
  /** [rows, inner]. */
  readonly input: Float32Array;
  /** [columns, inner]. */
  readonly weight: Float32Array;
}
