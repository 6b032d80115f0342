/** The findings of the doctor. */

export interface Finding {
  readonly name: string;
  readonly value: string;
  /** How to fix it; if this is missing, all is well. */
  readonly remedy?: string;
}

export interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}
