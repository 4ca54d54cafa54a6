import { hang, type RecordingProxy } from './recording-proxy.ts';
import type { Started } from './mlist.ts';

/** Never answers matching requests. @returns resolves when the first of them arrives */
export function leaveUnanswered(proxy: RecordingProxy, pattern: RegExp): Promise<void> {
  return new Promise((resolve) => {
    proxy.on(pattern, (exchange) => {
      resolve();
      return hang(exchange);
    });
  });
}

/** Resolves when a command has printed the text on stderr. */
export function printed({ child }: Started, text: string): Promise<void> {
  let all = '';
  return new Promise((resolve) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      all += chunk.toString();
      if (all.includes(text)) resolve();
    });
  });
}
