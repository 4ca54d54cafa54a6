import { escapeText } from '../text/escape.ts';

/** Markup that is safe to send. Untrusted text must pass through the template tag `markup`, which escapes it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value in a template. Text is escaped; undefined and false are omitted. */
export type HtmlValue = Html | string | number | undefined | false | readonly HtmlValue[];

/**
 * Template tag for markup. Templates may have values only in text and in attributes with double quotes; every value is
 * escaped for both. Control and bidirectional characters are replaced with visible escapes, as on a terminal.
 */
export function markup(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(strings.map((text, at) => (at === 0 ? text : markupOf(values[at - 1]) + text)).join(''));
}

function markupOf(value: HtmlValue): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(markupOf).join('');
  return escapeMarkup(String(value));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeMarkup(text: string): string {
  return escapeText(text).replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** Shortens a long string and adds its length. A single annotation, for example, may be as large as a manifest. */
export function clipped(text: string, limit: number): HtmlValue {
  if (text.length <= limit) return text;
  return markup`${text.slice(0, limit).toWellFormed()}<span class="muted">… (${text.length} characters)</span>`;
}

/** Renders at most `limit` items. If there are more, `note` renders the number of the remaining ones. */
export function limited<T>(
  items: readonly T[],
  limit: number,
  render: (item: T, at: number) => Html,
  note: (count: number) => Html,
): HtmlValue {
  const shown = items.slice(0, limit).map(render);
  return items.length > limit ? [...shown, note(items.length - limit)] : shown;
}

/**
 * Returns the text of an annotation if it is a URL that the page may link to, otherwise undefined. Only http and https
 * are accepted, because other schemes may execute code. URLs with a user name or password are not accepted.
 */
export function webAddress(text: string): string | undefined {
  if (text.length > 2048 || !/^https?:\/\/[!#-;=?-[\]_a-z~]+$/i.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, username, password } = new URL(text);
  const isPlain = (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
  return isPlain ? text : undefined;
}
