/** What a token is asked for: actions on a repository (distribution, docs "Token Scope Documentation"). */
export interface Scope {
  readonly repository: string;
  readonly push: boolean;
}

export function formatScope({ repository, push }: Scope): string {
  return `repository:${repository}:${push ? 'pull,push' : 'pull'}`;
}

/** Most scopes in one token request: token services limit the length of an address. */
export const MAX_SCOPES = 20;

/** Whether one scope gives all that the other asks for. */
export function covers(given: Scope, asked: Scope): boolean {
  return given.repository === asked.repository && (given.push || !asked.push);
}

/** The scopes without those that others of them cover, one for each repository. */
export function mergeScopes(scopes: readonly Scope[]): readonly Scope[] {
  const merged = new Map<string, Scope>();
  for (const { repository, push } of scopes) {
    merged.set(repository, { repository, push: push || (merged.get(repository)?.push ?? false) });
  }
  return [...merged.values()];
}
