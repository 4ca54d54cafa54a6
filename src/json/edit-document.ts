/**
 * Changes one member of a JSON text and leaves every other character as it is: files that others write too keep their
 * order, their white space and what mlist does not know. The text must have been read by `readJson` without problems.
 */

/** A member that is set: its value as JSON of one line; objects in it are laid out like the text around them. */
export type JsonValue = string | { readonly [name: string]: JsonValue };

/** Sets the member at a path of names; objects on the way are made where they are not there. */
export function withJsonMember(text: string, path: readonly [string, ...string[]], value: JsonValue): string {
  const whole = text.trim() === '' ? '{}\n' : text;
  return set(whole, skip(whole, 0), path, value, styleOf(whole), 1);
}

/** Takes the member at a path away; the same text where there is none. */
export function withoutJsonMember(text: string, path: readonly [string, ...string[]]): string {
  let at = skip(text, 0);
  for (const [depth, name] of path.entries()) {
    const object = objectAt(text, at);
    const index = object?.members.findIndex((member) => member.name === name) ?? -1;
    const member = object?.members[index];
    if (object === undefined || member === undefined) return text;
    if (depth === path.length - 1) return cut(text, object, index);
    at = member.value;
  }
  return text;
}

interface Member {
  readonly name: string;
  /** Where its name begins, where its value begins, and where that ends. */
  readonly start: number;
  readonly value: number;
  readonly end: number;
}

interface ObjectSpan {
  /** Behind the opening brace. */
  readonly start: number;
  /** The closing brace. */
  readonly close: number;
  readonly members: readonly Member[];
}

/** How a text is laid out; undefined in one line. */
type Style = string | undefined;

function set(
  text: string,
  at: number,
  [name, ...rest]: readonly [string, ...string[]],
  value: JsonValue,
  style: Style,
  depth: number,
): string {
  const object = objectAt(text, at);
  if (object === undefined) throw new TypeError('the place of the member is no object');
  const known = object.members.find((member) => member.name === name);
  const [next, ...more] = rest;
  if (known !== undefined && next !== undefined && text[known.value] === '{')
    return set(text, known.value, [next, ...more], value, style, depth + 1);
  const whole = rest.reduceRight<JsonValue>((inner, outer) => ({ [outer]: inner }), value);
  const written = write(whole, style, depth);
  if (known !== undefined) return text.slice(0, known.value) + written + text.slice(known.end);
  return insert(text, object, `${JSON.stringify(name)}:${style === undefined ? '' : ' '}${written}`, style, depth);
}

function insert(
  text: string,
  { start, close, members }: ObjectSpan,
  member: string,
  style: Style,
  depth: number,
): string {
  const last = members.at(-1);
  if (last !== undefined) {
    const before = members.at(-2);
    const gap = text.slice(before === undefined ? start : text.indexOf(',', before.end) + 1, last.start);
    return `${text.slice(0, last.end)},${gap}${member}${text.slice(last.end)}`;
  }
  const [open, end] = style === undefined ? ['', ''] : [`\n${style.repeat(depth)}`, `\n${style.repeat(depth - 1)}`];
  return text.slice(0, start) + open + member + end + text.slice(close);
}

function cut(text: string, { start, close, members }: ObjectSpan, index: number): string {
  const [before, member, after] = [members[index - 1], members[index], members[index + 1]];
  if (member === undefined) return text;
  if (after !== undefined) return text.slice(0, member.start) + text.slice(after.start);
  if (before !== undefined) return text.slice(0, before.end) + text.slice(member.end);
  return text.slice(0, start) + text.slice(close);
}

function write(value: JsonValue, style: Style, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, inner]) => `${JSON.stringify(name)}:${style === undefined ? '' : ' '}${write(inner, style, depth + 1)}`,
  );
  if (members.length === 0) return '{}';
  if (style === undefined) return `{${members.join(',')}}`;
  const gap = `\n${style.repeat(depth + 1)}`;
  return `{${gap}${members.join(`,${gap}`)}\n${style.repeat(depth)}}`;
}

/** The white space that a level is set in by, as the first member of the text has it; Docker writes tabs. */
function styleOf(text: string): Style {
  const object = objectAt(text, skip(text, 0));
  const first = object?.members[0];
  if (object === undefined || first === undefined) return '\t';
  const gap = text.slice(object.start, first.start);
  return gap.includes('\n') ? gap.slice(gap.lastIndexOf('\n') + 1) || '\t' : undefined;
}

function objectAt(text: string, at: number): ObjectSpan | undefined {
  if (text[at] !== '{') return undefined;
  const members: Member[] = [];
  let place = skip(text, at + 1);
  while (text[place] === '"') {
    const nameEnd = endOfString(text, place);
    const value = skip(text, skip(text, nameEnd) + 1);
    const end = endOfValue(text, value);
    members.push({ name: JSON.parse(text.slice(place, nameEnd)) as string, start: place, value, end });
    const behind = skip(text, end);
    place = text[behind] === ',' ? skip(text, behind + 1) : behind;
  }
  return { start: at + 1, close: place, members };
}

function skip(text: string, at: number): number {
  let place = at;
  while (/[ \t\r\n]/.test(text[place] ?? '')) place += 1;
  return place;
}

function endOfString(text: string, at: number): number {
  let place = at + 1;
  while (place < text.length && text[place] !== '"') place += text[place] === '\\' ? 2 : 1;
  return place + 1;
}

/** Behind a value; brackets count outside of strings only. */
function endOfValue(text: string, at: number): number {
  let [place, depth] = [at, 0];
  while (place < text.length) {
    const character = text[place] ?? '';
    if (character === '"') place = endOfString(text, place);
    else {
      if ('{['.includes(character)) depth += 1;
      if ('}]'.includes(character)) depth -= 1;
      if (depth < 0 || (depth === 0 && ', \t\r\n'.includes(character))) return place;
      place += 1;
    }
    if (depth === 0 && /["}\]]/.test(text[place - 1] ?? '')) return place;
  }
  return place;
}
