/** The variables of the environment, as the command line hands them in. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable; one that is set to nothing says nothing. */
export function variable(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}
