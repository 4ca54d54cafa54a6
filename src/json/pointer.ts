/** This module splits and builds JSON pointers (RFC 6901). */

/** Returns the reference tokens of a pointer: `manifests`, `0` and `digest` for `/manifests/0/digest`. */
export function stepsOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function escapeToken(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Builds a pointer such as `/manifests/0/digest` from its reference tokens. */
export function pointerTo(...path: readonly (string | number)[]): string {
  return path.map((token) => `/${escapeToken(String(token))}`).join('');
}
