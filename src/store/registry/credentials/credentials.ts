/** Credentials for one registry. */
export type Credentials = {
  /**
   * Where the credentials were found, for messages: a path, a variable or the name of a helper. Absent if the user has
   * entered them.
   */
  readonly place?: string;
} & (
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token for the registry's token service. */
  | { readonly type: 'identity'; readonly token: string }
  /** A bearer token that is sent unchanged. */
  | { readonly type: 'bearer'; readonly token: string }
);

/** Describes a login in messages, with the place where it was found. */
export function loginText(registry: string, place: string | undefined): string {
  return place === undefined ? `the login for ${registry}` : `the login for ${registry} from ${place}`;
}

export function refusedLoginHint(registry: string, place: string | undefined): string {
  if (place === undefined)
    return 'Check the user name and the password; some registries require an access token instead of the password.';
  return place === 'DOCKER_AUTH_CONFIG'
    ? 'Correct that variable. It takes precedence over "mlist login".'
    : `Log in again with "mlist login ${registry}".`;
}

/**
 * Finds the credentials for a registry, named as in references, and a repository, since repositories of one registry
 * may have different accounts. Without a repository, it finds the account for the whole registry. Returns undefined for
 * anonymous access.
 */
export type CredentialsSource = (registry: string, repository?: string) => Promise<Credentials | undefined>;

/** Whether both are the same account with the same secret. */
export function sameCredentials(left: Credentials | undefined, right: Credentials | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  if (left.type === 'basic')
    return right.type === 'basic' && left.username === right.username && left.password === right.password;
  return right.type === left.type && left.token === right.token;
}

/** Credentials with a user name and a password; undefined if one of them is empty. */
export function basicCredentials(username: string, password: string): Credentials | undefined {
  return username === '' || password === '' ? undefined : { type: 'basic', username, password };
}
