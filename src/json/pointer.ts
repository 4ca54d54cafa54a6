/** JSON pointers (RFC 6901). */

function escapeToken(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Builds a pointer such as `/manifests/0/digest` from its reference tokens. */
export function pointerTo(...path: readonly (string | number)[]): string {
  return path.map((token) => `/${escapeToken(String(token))}`).join('');
}
