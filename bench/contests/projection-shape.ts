/** The work of a projection row, and its inputs. */
export interface ProjectionShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  /** The type of heed's weight. */
  readonly weightType?: 'bfloat16';
  /** The type of heed's input and output. */
  readonly inputType?: 'float32' | 'bfloat16';
}

/** All others multiply the same numbers in float32. */
export interface ProjectionInputs {
  /** [rows, inner]. */
  readonly input: Float32Array;
  /** [columns, inner]. */
  readonly weight: Float32Array;
}
