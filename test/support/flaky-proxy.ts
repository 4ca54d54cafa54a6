import { setTimeout as sleep } from 'node:timers/promises';
import { answer, RecordingProxy, reset, type Change, type Exchange } from './recording-proxy.ts';

/** A way to a registry on which answers are late, and some of them, or of the requests, are lost. */
export interface Roughness {
  /** Milliseconds that an answer is late at most; one in twenty is late by five times that. */
  readonly delayMs: number;
  /** Of a hundred requests: answered 503 before anything happened, cut before, cut after it has happened. */
  readonly refused: number;
  readonly cut: number;
  readonly lost: number;
  /** A registry that takes no conditions. */
  readonly withoutConditions?: boolean;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Called after each write of a manifest, in the order in which the registry answers; without bytes after a deletion. */
  readonly onWritten?: (name: string, bytes: Buffer | undefined) => void;
}

export async function startFlakyProxy(upstream: string, roughness: Roughness): Promise<RecordingProxy> {
  const { delayMs, refused, cut, lost, withoutConditions = false, random, onWritten } = roughness;
  const front = await RecordingProxy.start({ upstream });
  front.on(/./, async (exchange) => {
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
    const onAnswer = onWritten === undefined ? undefined : watch(exchange, onWritten);
    return pass({ waitMs: after, loseAnswer: fate < refused + cut + lost, ...(onAnswer && { onAnswer }) });
  });
  return front;
}

/** Collects the manifest that a request writes, and reports it once the registry has accepted it. */
function watch({ seen, request }: Exchange, onWritten: NonNullable<Roughness['onWritten']>): Change['onAnswer'] {
  const name = /\/manifests\/([^/]+)$/.exec(seen.path)?.[1];
  if (name === undefined || !['PUT', 'DELETE'].includes(seen.method)) return undefined;
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  return (status) => {
    if (status < 300) onWritten(name, seen.method === 'DELETE' ? undefined : Buffer.concat(chunks));
  };
}

/** Numbers that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
