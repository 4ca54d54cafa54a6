/** Reads the elements of a page, without a browser. Strict: anything that a template would not write is a problem. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

const voids = new Set(['meta', 'link', 'input']);
const tag = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z][a-z-]*(?:="[^"<>]*")?)*)\s*>/g;

export function elementsOf(page: string): readonly Element[] {
  return [...withoutRaw(page).matchAll(tag)]
    .filter(([, slash]) => slash === '')
    .map(([, , name = '', attributes = '']) => ({ name, attributes: attributesIn(attributes) }));
}

/** The text of a page as it is displayed, without style and script. */
export function textOf(page: string): string {
  return decoded(withoutRaw(page).replace(tag, ''));
}

/** Elements that are not closed, unescaped characters, and ids that are missing or ambiguous. */
export function structureProblems(page: string): readonly string[] {
  const problems: string[] = [];
  const open: string[] = [];
  const body = withoutRaw(page).replace(/^<!doctype html>/, '');
  for (const [text, slash, name = ''] of body.matchAll(tag)) {
    if (slash !== '') {
      const last = open.pop();
      if (last !== name) problems.push(`${text} closes ${last ?? 'nothing'}`);
    } else if (!voids.has(name)) open.push(name);
  }
  if (open.length > 0) problems.push(`not closed: ${open.join(', ')}`);
  const rest = /[<>]|&(?!(?:amp|lt|gt|quot|#39);)/.exec(body.replace(tag, ''));
  if (rest !== null) problems.push(`unescaped: ${rest[0]} at ${rest.index}`);
  return [...problems, ...accessibilityProblems(elementsOf(page))];
}

function accessibilityProblems(elements: readonly Element[]): readonly string[] {
  const ids = elements.flatMap(({ attributes }) => attributes['id'] ?? []);
  const targets = elements.flatMap(({ attributes }) => [
    ...(attributes['for'] ?? '').split(' '),
    attributes['aria-labelledby'],
    attributes['data-filter'],
    attributes['href']?.startsWith('#') === true ? attributes['href'].slice(1) : undefined,
  ]);
  const count = (name: string) => elements.filter((element) => element.name === name).length;
  const labelled = new Set(elements.flatMap(({ attributes }) => attributes['for'] ?? []));
  const names = ({ attributes }: Element) => attributes['aria-label'] !== undefined;
  return [
    ...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `id ${id} is not unique`),
    ...targets.filter((id) => id !== undefined && id !== '' && !ids.includes(id)).map((id) => `id ${id} is missing`),
    ...['h1', 'main', 'title', 'header'].filter((name) => count(name) !== 1).map((name) => `${count(name)} ${name}`),
    ...elements
      .filter((element) => element.name === 'input' && !labelled.has(element.attributes['id'] ?? ''))
      .map(() => 'an input without a label'),
    ...elements.filter((element) => element.name === 'button' && !names(element)).map(() => 'a button without a name'),
    ...elements.filter((element) => element.name === 'table' && !names(element)).map(() => 'a table without a name'),
    ...(elements.find(({ name }) => name === 'a')?.attributes['class'] === 'skip' ? [] : ['no skip link']),
    ...(elements.find(({ name }) => name === 'html')?.attributes['lang'] === 'en' ? [] : ['no language']),
  ];
}

function withoutRaw(page: string): string {
  return page.replace(/(<(style|script)>)[^]*?(<\/\2>)/g, '$1$3');
}

function attributesIn(text: string): Readonly<Record<string, string>> {
  const pairs = [...text.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)];
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, decoded(value)]));
}

function decoded(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
