/** The work of a projection row, and its inputs. */
export interface ProjectionShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  /** How heed keeps the weight. */
  readonly weightType?: 'bfloat16';
}

/** Everything but heed multiplies with the same numbers in float32. */
export interface ProjectionInputs {
  /** [rows, inner]. */
  readonly input: Float32Array;
  /** [columns, inner]. */
  readonly weight: Float32Array;
}
