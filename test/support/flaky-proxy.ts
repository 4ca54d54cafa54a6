import { setTimeout as sleep } from 'node:timers/promises';
import { answer, RecordingProxy, reset, type Change, type Exchange } from './recording-proxy.ts';

/** Options of a proxy that delays responses, and loses some requests and responses. */
export interface Roughness {
  /** Maximum delay of a response in milliseconds; one response in twenty is delayed five times as much. */
  readonly delayMs: number;
  /** Percentages of requests that are answered 503, lost before the registry gets them, or lost after it handled them. */
  readonly refused: number;
  readonly cut: number;
  readonly lost: number;
  /** The registry ignores conditional headers. */
  readonly withoutConditions?: boolean;
  /** Returns a number from 0 to 1, excluding 1. */
  readonly random: () => number;
  /** Called after each manifest PUT or DELETE, in the order of the responses. `bytes` is undefined after a DELETE. */
  readonly onWritten?: (name: string, bytes: Buffer | undefined) => void;
}

export async function startFlakyProxy(upstream: string, roughness: Roughness): Promise<RecordingProxy> {
  const { delayMs, refused, cut, lost, withoutConditions = false, random, onWritten } = roughness;
  const proxy = await RecordingProxy.start({ upstream });
  proxy.on(/./, async (exchange) => {
    const { request, pass } = exchange;
    if (withoutConditions) {
      delete request.headers['if-match'];
      delete request.headers['if-none-match'];
    }
    const slow = random() < 0.05 ? 5 : 1;
    const [before, after] = [random(), random()].map((part) => part * delayMs * slow) as [number, number];
    const fate = random() * 100;
    await sleep(before);
    if (fate < refused) return answer(503)(exchange);
    if (fate < refused + cut) return reset(exchange);
    const onResponse = onWritten === undefined ? undefined : watch(exchange, onWritten);
    return pass({ waitMs: after, loseResponse: fate < refused + cut + lost, ...(onResponse && { onResponse }) });
  });
  return proxy;
}

/** Collects the manifest of a PUT, and reports it when the registry has accepted it. */
function watch({ seen, request }: Exchange, onWritten: NonNullable<Roughness['onWritten']>): Change['onResponse'] {
  const name = /\/manifests\/([^/]+)$/.exec(seen.path)?.[1];
  if (name === undefined || !['PUT', 'DELETE'].includes(seen.method)) return undefined;
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  return (status) => {
    if (status < 300) onWritten(name, seen.method === 'DELETE' ? undefined : Buffer.concat(chunks));
  };
}

/** A pseudo-random number generator (mulberry32), which returns the same numbers for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
