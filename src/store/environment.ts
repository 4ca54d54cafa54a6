import { join } from 'node:path';

/** Environment variables. The command line passes the variables of the process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the value of a variable; undefined if it is unset or empty. */
export function variable(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}

/** Returns the folder with Docker's configuration: `DOCKER_CONFIG`, or `.docker` in the home folder. */
export function dockerFolder(env: Environment, home: string): string {
  return variable(env, 'DOCKER_CONFIG') ?? join(home, '.docker');
}
