/** What a doctor writes down. */

export interface Finding {
  readonly name: string;
  readonly value: string;
  /** What to do about it; where this is missing, all is well. */
  readonly remedy?: string;
}

export interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}
