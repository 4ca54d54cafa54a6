import { parseEngineLocation } from '../../oci/engine-location.ts';
import { EngineClient } from '../../store/engine/engine-client.ts';
import { Engine } from '../../store/engine/engine.ts';
import { findEngine, type EngineEnvironment } from '../../store/engine/find-engine.ts';

/** The shell waits for the candidates, so an engine that does not respond within this time is ignored. */
const TIME_LIMIT_MS = 1000;

/** The name or tag that engines list for an image without a name or tag. */
const UNNAMED = '<none>';

/**
 * Returns the locations of the images in an engine.
 * @param typing - begins with the prefix of the engine, such as `docker-daemon:`
 * @returns an empty array if the engine cannot be reached, or does not respond in time
 */
export async function engineImages(typing: string, environment: EngineEnvironment): Promise<readonly string[]> {
  const prefix = typing.slice(0, typing.indexOf(':') + 1);
  try {
    const signal = AbortSignal.timeout(TIME_LIMIT_MS);
    const { kind, context } = parseEngineLocation(`${prefix}image`);
    const address = await findEngine(kind, context, environment);
    const client = new EngineClient(address, { timeoutMs: TIME_LIMIT_MS, env: environment.env, signal });
    const names = await new Engine(client).names();
    return names
      .filter((name) => !name.includes(UNNAMED))
      .map((name) => prefix + name)
      .sort();
  } catch {
    return [];
  }
}
