/**
 * Runs something that has to meet a time limit at a certain point. On a busy machine a short limit may pass before that
 * point is reached: then it runs again with a longer one.
 * @param run - runs with the limit; undefined where the point was not reached
 * @param first - the first limit in milliseconds
 */
export async function withTimeLimit<T>(run: (limit: string) => Promise<T | undefined>, first = 300): Promise<T> {
  for (let limit = first; limit < 120_000; limit *= 4) {
    const ran = await run(`${limit}ms`);
    if (ran !== undefined) return ran;
  }
  throw new Error('the point where the time limit is to be met was not reached');
}
