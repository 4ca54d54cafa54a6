import { isRepositoryName } from '../../oci/reference.ts';

/** What a user may do with a repository. `write` includes `read`. */
export type Action = 'read' | 'write';

/**
 * The right to read or write all repositories or, with `prefix`, the repository `prefix` and the repositories below it.
 */
export interface Right {
  readonly action: Action;
  readonly prefix?: string | undefined;
}

export const READ_ALL: readonly Right[] = [{ action: 'read' }];
export const WRITE_ALL: readonly Right[] = [{ action: 'write' }];

/**
 * Parses a comma-separated list of rights: `read` or `write`, each optionally followed by `:PREFIX`. Returns undefined
 * if the list is invalid.
 */
export function parseRights(text: string): readonly Right[] | undefined {
  const rights = text.split(',').map((part): Right | undefined => {
    const [, action, prefix] = /^(read|write)(?::(.*))?$/.exec(part) ?? [];
    if (action === undefined || (prefix !== undefined && !isRepositoryName(prefix))) return undefined;
    return { action: action as Action, prefix };
  });
  return rights.includes(undefined) ? undefined : (rights as readonly Right[]);
}

/** Whether the rights include an action on a repository. The prefix `team` includes `team/app`, but not `teams`. */
export function allows(rights: readonly Right[], action: Action, name: string): boolean {
  return rights.some(
    (right) =>
      (right.action === 'write' || action === 'read') &&
      (right.prefix === undefined || name === right.prefix || name.startsWith(`${right.prefix}/`)),
  );
}
