/**
 * Runs something that has to meet a time limit at a certain point. On a busy machine a short limit may pass before that
 * point is reached: then it runs again with a longer one.
 * @param run - runs with the limit; undefined where the point was not reached
 */
export async function withTimeLimit<T>(run: (limit: string) => Promise<T | undefined>): Promise<T> {
  for (let limit = 300; limit < 120_000; limit *= 4) {
    const ran = await run(`${limit}ms`);
    if (ran !== undefined) return ran;
  }
  throw new Error('the point where the time limit is to be met was not reached');
}
