/**
 * The actions that a token permits on one resource, written as `type:name:action,action` (distribution, docs "Token
 * Scope Documentation").
 */
export interface Scope {
  readonly type: string;
  /** The name of the resource: the repository if the type is `repository`. */
  readonly name: string;
  /** The actions, sorted and unique. `*` stands for all actions. */
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

/** Maximum number of scopes in one token request. Token services limit the length of the URL. */
const MAX_SCOPES = 20;

/**
 * Maximum length of the `scope` parameter of a challenge. Longer values are ignored, because registries are untrusted.
 */
const MAX_SCOPE_TEXT = 4096;

/**
 * Parses the `scope` parameter of a challenge. Skips invalid scopes, and returns at most `MAX_SCOPES`. The name of a
 * resource may contain colons.
 */
export function parseScopes(text: string | undefined): readonly Scope[] {
  if (text === undefined || text.length > MAX_SCOPE_TEXT) return [];
  return mergeScopes(
    text.split(' ').flatMap((scope) => {
      const [, type, name, actions] = /^([a-z0-9()-]+):([\x21-\x7e]*):([a-z*,-]+)$/i.exec(scope) ?? [];
      if (type === undefined || name === undefined || actions === undefined) return [];
      return [{ type, name, actions: sorted(actions.split(',').filter((action) => action !== '')) }];
    }),
  ).slice(0, MAX_SCOPES);
}

function sorted(actions: Iterable<string>): readonly string[] {
  const all = [...new Set(actions)].sort();
  return all.includes('*') ? ['*'] : all;
}

export function covers(granted: Scope, required: Scope): boolean {
  if (granted.type !== required.type || granted.name !== required.name) return false;
  return granted.actions.includes('*') || required.actions.every((action) => granted.actions.includes(action));
}

/** Whether the granted scopes include all required ones. */
export function coverAll(granted: readonly Scope[], required: readonly Scope[]): boolean {
  return required.every((scope) => granted.some((candidate) => covers(candidate, scope)));
}

/** Merges the scopes of each resource into one scope. The resources keep the order in which they first occur. */
export function mergeScopes(scopes: readonly Scope[]): readonly Scope[] {
  const merged = new Map<string, Scope>();
  for (const scope of scopes) {
    const key = `${scope.type}:${scope.name}`;
    const actions = sorted([...(merged.get(key)?.actions ?? []), ...scope.actions]);
    merged.set(key, { ...scope, actions });
  }
  return [...merged.values()];
}

/** Returns a map key for a set of scopes. Their order does not matter. */
export function keyOf(scopes: readonly Scope[]): string {
  return mergeScopes(scopes).map(formatScope).sort().join(' ');
}

/**
 * Splits the scopes of a command into groups of at most `MAX_SCOPES`. One token is requested for each group. If the
 * command pushes to only a few repositories, every group contains their scopes: a cross-repository mount needs one
 * token for its source and its target.
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
