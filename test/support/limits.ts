/**
 * Runs something that must exceed a time limit at a certain point. If a short limit expires before that point on a busy
 * machine, it runs again with a longer limit.
 * @param run - runs with the limit; returns undefined if the point was not reached
 * @param first - the first limit in milliseconds
 */
export async function withTimeLimit<T>(run: (limit: string) => Promise<T | undefined>, first = 300): Promise<T> {
  for (let limit = first; limit < 120_000; limit *= 4) {
    const result = await run(`${limit}ms`);
    if (result !== undefined) return result;
  }
  throw new Error('the point at which the time limit must expire was not reached');
}
