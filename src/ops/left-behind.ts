/** A part of what was to be copied that does not come along, and why. */
export interface LeftBehind {
  readonly what: 'image' | 'attestation' | 'layer' | 'referrer';
  readonly digest: string;
  /** Of an image, where its list says it. */
  readonly platform?: string;
  readonly reason: string;
}
