import { hang, type RecordingProxy } from './recording-proxy.ts';
import type { Started } from './mlist.ts';

/** Leaves requests without an answer. @returns resolves when the first of them has come */
export function leaveUnanswered(front: RecordingProxy, pattern: RegExp): Promise<void> {
  return new Promise((resolve) => {
    front.on(pattern, (exchange) => {
      resolve();
      return hang(exchange);
    });
  });
}

/** Resolves when a command has printed this on stderr. */
export function printed({ child }: Started, text: string): Promise<void> {
  let all = '';
  return new Promise((resolve) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      all += chunk.toString();
      if (all.includes(text)) resolve();
    });
  });
}
