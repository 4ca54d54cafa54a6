/**
 * What a token is asked for: actions on a resource, `type:name:action,action` (distribution, docs "Token Scope
 * Documentation").
 */
export interface Scope {
  readonly type: string;
  /** A repository, for the type `repository`. */
  readonly name: string;
  /** Sorted, each once; `*` stands for all. */
  readonly actions: readonly string[];
}

export function pullFrom(repository: string): Scope {
  return { type: 'repository', name: repository, actions: ['pull'] };
}

export function pushTo(repository: string): Scope {
  return { type: 'repository', name: repository, actions: ['pull', 'push'] };
}

export function deleteIn(repository: string): Scope {
  return { type: 'repository', name: repository, actions: ['delete', 'pull'] };
}

export function formatScope({ type, name, actions }: Scope): string {
  return `${type}:${name}:${actions.join(',')}`;
}

/** Most scopes in one token request: token services limit the length of an address. */
export const MAX_SCOPES = 20;

/** No registry needs more; a challenge is not trusted. */
const MAX_TEXT = 4096;

/** Reads the scopes of a challenge; what has not the form of a scope is passed over. A name may hold a colon. */
export function parseScopes(text: string | undefined): readonly Scope[] {
  if (text === undefined || text.length > MAX_TEXT) return [];
  return mergeScopes(
    text.split(' ').flatMap((one) => {
      const [, type, name, actions] = /^([a-z0-9()-]+):([\x21-\x7e]*):([a-z*,-]+)$/i.exec(one) ?? [];
      if (type === undefined || name === undefined || actions === undefined) return [];
      return [{ type, name, actions: sorted(actions.split(',').filter((action) => action !== '')) }];
    }),
  ).slice(0, MAX_SCOPES);
}

function sorted(actions: Iterable<string>): readonly string[] {
  const all = [...new Set(actions)].sort();
  return all.includes('*') ? ['*'] : all;
}

/** Whether one scope gives all that the other asks for. */
export function covers(given: Scope, asked: Scope): boolean {
  if (given.type !== asked.type || given.name !== asked.name) return false;
  return given.actions.includes('*') || asked.actions.every((action) => given.actions.includes(action));
}

/** Whether the scopes together give all that is asked for. */
export function coverAll(given: readonly Scope[], asked: readonly Scope[]): boolean {
  return asked.every((one) => given.some((scope) => covers(scope, one)));
}

/** One scope for each resource, with all actions that are asked for, in the order in which they first came. */
export function mergeScopes(scopes: readonly Scope[]): readonly Scope[] {
  const merged = new Map<string, Scope>();
  for (const scope of scopes) {
    const key = `${scope.type}:${scope.name}`;
    const actions = sorted([...(merged.get(key)?.actions ?? []), ...scope.actions]);
    merged.set(key, { ...scope, actions });
  }
  return [...merged.values()];
}

/** The same for the same scopes in any order. */
export function keyOf(scopes: readonly Scope[]): string {
  return mergeScopes(scopes).map(formatScope).sort().join(' ');
}

/**
 * Splits what a command will need into as many tokens as it takes: what is written to stands in each of them, since a
 * mount needs its target and its source in one token.
 */
export function groupScopes(expected: readonly Scope[]): readonly (readonly Scope[])[] {
  const all = mergeScopes(expected);
  if (all.length <= MAX_SCOPES) return all.length === 0 ? [] : [all];
  const written = all.filter(({ actions }) => actions.includes('push'));
  const common = written.length < MAX_SCOPES / 2 ? written : [];
  const rest = all.filter((scope) => !common.includes(scope));
  const size = MAX_SCOPES - common.length;
  const count = Math.ceil(rest.length / size);
  return Array.from({ length: count }, (_, at) => [...common, ...rest.slice(at * size, (at + 1) * size)]);
}
