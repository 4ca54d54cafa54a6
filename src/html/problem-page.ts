import type { PageContent } from './document.ts';
import { markup } from './html.ts';
import { jsonSection } from './json-section.ts';
import { alert } from './parts.ts';

export interface Problem {
  readonly heading: string;
  readonly message: string;
  /** The document that cannot be displayed as a list or an image. */
  readonly bytes?: Uint8Array | undefined;
}

/** A page about something that cannot be displayed. */
export function problemPage({ heading, message, bytes }: Problem, trail: PageContent['trail']): PageContent {
  const body = markup`<h1>${heading}</h1>
${alert(message)}
${bytes !== undefined && markup`<h2>Document</h2>\n${jsonSection(bytes)}`}`;
  return { title: `${heading} · mlist`, trail, body };
}
