/** Credentials for one registry. */
export type Credentials = {
  /**
   * Where the credentials were found, for messages: a path, an environment variable or the name of a helper. Absent,
   * for example, if the user has entered them.
   */
  readonly place?: string;
} & (
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token for the registry's token service. */
  | { readonly type: 'identity'; readonly token: string }
  /** A bearer token that is sent unchanged. */
  | { readonly type: 'bearer'; readonly token: string }
);

/** Returns a description for messages, such as `the credentials for docker.io from DOCKER_AUTH_CONFIG`. */
export function loginText(registry: string, place: string | undefined): string {
  return place === undefined ? `the credentials for ${registry}` : `the credentials for ${registry} from ${place}`;
}

export function refusedLoginHint(registry: string, place: string | undefined): string {
  if (place === undefined)
    return 'Check the user name and the password; some registries require an access token instead of the password.';
  return place === 'DOCKER_AUTH_CONFIG'
    ? 'Correct DOCKER_AUTH_CONFIG. It takes precedence over the credentials that "mlist login" stores.'
    : `Log in again with "mlist login ${registry}".`;
}

/**
 * Returns the credentials for a repository or, without `repository`, for the whole registry; undefined for anonymous
 * access. Repositories of one registry may use different accounts. `registry` is the host that references contain, such
 * as `docker.io`.
 */
export type CredentialsSource = (registry: string, repository?: string) => Promise<Credentials | undefined>;

/** Whether both are the same account with the same secret, or both are undefined. */
export function sameCredentials(left: Credentials | undefined, right: Credentials | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  if (left.type === 'basic')
    return right.type === 'basic' && left.username === right.username && left.password === right.password;
  return right.type === left.type && left.token === right.token;
}

/** Returns Basic credentials; undefined if the user name or the password is empty. */
export function basicCredentials(username: string, password: string): Credentials | undefined {
  return username === '' || password === '' ? undefined : { type: 'basic', username, password };
}
