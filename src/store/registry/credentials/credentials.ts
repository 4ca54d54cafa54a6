/** How to log in to one registry. */
export type Credentials = {
  /** Where they were found, for messages: a path, a variable, a helper's name. Not there where somebody typed them. */
  readonly place?: string;
} & (
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token for the registry's token service. */
  | { readonly type: 'identity'; readonly token: string }
  /** A bearer token that is sent as it is. */
  | { readonly type: 'bearer'; readonly token: string }
);

/** `the login of HOST (from PLACE)`, as messages call it. */
export function loginText(registry: string, place: string | undefined): string {
  return place === undefined ? `the login for ${registry}` : `the login for ${registry} that ${place} holds`;
}

/** What to do about a login that was refused. */
export function refusedLoginHint(registry: string, place: string | undefined): string {
  if (place === undefined)
    return 'Check the user name and the password; some registries want an access token instead of it.';
  return place === 'DOCKER_AUTH_CONFIG'
    ? 'Correct that variable: it comes before what "mlist login" keeps.'
    : `Log in anew with "mlist login ${registry}".`;
}

/**
 * Finds the credentials of exactly one registry, named as in references; undefined is anonymous.
 * The repository tells apart the accounts of one registry; without it, what counts for the whole registry is meant.
 */
export type CredentialsSource = (registry: string, repository?: string) => Promise<Credentials | undefined>;

/** Whether both are one account. */
export function sameCredentials(left: Credentials | undefined, right: Credentials | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  if (left.type === 'basic')
    return right.type === 'basic' && left.username === right.username && left.password === right.password;
  return right.type === left.type && left.token === right.token;
}

/** An empty user name or password is none. */
export function basicCredentials(username: string, password: string): Credentials | undefined {
  return username === '' || password === '' ? undefined : { type: 'basic', username, password };
}
