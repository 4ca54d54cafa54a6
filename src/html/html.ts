import { escapeText } from '../text/escape.ts';

/** Markup that is safe to send. Only the template tag `markup` converts text to markup. */
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

/** Cuts a long text, because a single annotation may be as large as a manifest. */
export function clipped(text: string, limit: number): HtmlValue {
  if (text.length <= limit) return text;
  return markup`${text.slice(0, limit).toWellFormed()}<span class="muted">… (${text.length} characters)</span>`;
}

/** Renders the first items of a list, and a note about the number of the others. */
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
 * The URL in an annotation, if the page may link to it; otherwise undefined. Only http and https are accepted, because
 * other schemes may execute code.
 */
export function webAddress(text: string): string | undefined {
  if (text.length > 2048 || !/^https?:\/\/[!#-;=?-[\]_a-z~]+$/i.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, username, password } = new URL(text);
  const isPlain = (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
  return isPlain ? text : undefined;
}
