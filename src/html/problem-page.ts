import type { PageContent } from './document.ts';
import { markup } from './html.ts';
import { jsonSection } from './json-section.ts';
import { alert } from './parts.ts';

export interface Problem {
  readonly heading: string;
  readonly message: string;
  /** The document that was read, but is neither a list nor an image that can be displayed. */
  readonly bytes?: Uint8Array | undefined;
}

/** A page for content that cannot be displayed, with the reason. */
export function problemPage({ heading, message, bytes }: Problem, trail: PageContent['trail']): PageContent {
  const body = markup`<h1>${heading}</h1>
${alert(message)}
${bytes !== undefined && markup`<h2>Document</h2>\n${jsonSection(bytes)}`}`;
  return { title: `${heading} · mlist`, trail, body };
}
