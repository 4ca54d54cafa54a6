/** JSON pointers (RFC 6901): the address of a place in a document. */

function escapePointer(step: string): string {
  return step.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** `/manifests/0/digest` from its steps. */
export function pointerTo(...steps: readonly (string | number)[]): string {
  return steps.map((step) => `/${escapePointer(String(step))}`).join('');
}
