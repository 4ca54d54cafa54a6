// The job summary of a merge. It is HTML without blank lines, so that none of it is read as Markdown.

/** Lists can have thousands of entries, and a summary may have 1 MiB. */
const maxRows = 200;

const words = { added: 'added', removed: 'removed', changed: 'changed', moved: 'moved', same: 'unchanged' };

/**
 * @param {object} result
 * @param {object} result.created - the document of `mlist create --push --json`
 * @param {object | undefined} result.difference - the document of `mlist diff --json`; undefined if the tag had no other list
 * @param {boolean} result.isDryRun
 * @returns {string} HTML
 */
export function summaryOf({ created, difference, isDryRun }) {
  const { ref, pushed } = created;
  return [
    `<h3>${isDryRun ? 'Dry run of ' : ''}${code(ref)}</h3>`,
    `<p>${code(pushed.digest)}</p>`,
    table(['Tag', 'Result', 'Previous digest'], pushed.targets.map(targetRow)),
    ...(difference === undefined ? [entryTable(created.entries)] : differenceTables(difference)),
    '',
  ].join('\n');
}

function targetRow({ ref, status, before, lost = [] }) {
  const result = before === 'absent' && status === 'pushed' ? 'new' : status;
  const missing = lost.length === 0 ? '' : `, loses ${lost.map(code).join(', ')}`;
  return [code(ref), result + missing, before === undefined || before === 'absent' ? '' : code(before)];
}

function entryTable(entries) {
  const rows = entries.map(({ platformName = 'no platform', attests, digest }) => [
    attests === undefined ? code(platformName) : 'attestation',
    code(digest ?? ''),
  ]);
  return table(['Image', 'Digest'], rows);
}

function differenceTables({ list, entries }) {
  const members = list.map(({ member, before, after }) => [code(member), value(before), value(after)]);
  const rows = entries.map(({ type, name, before, after, changes = [] }) => [
    words[type] ?? code(type),
    code(name),
    code(before?.digest ?? ''),
    code(after?.digest ?? ''),
    changes.map(({ member }) => code(member)).join(', '),
  ]);
  return [
    ...(members.length === 0 ? [] : [table(['Member of the list', 'Before', 'After'], members)]),
    table(['Change', 'Image', 'Before', 'After', 'Changed members'], rows),
  ];
}

function table(titles, rows) {
  const cells = (tag, values) => `<tr>${values.map((one) => `<${tag}>${one}</${tag}>`).join('')}</tr>`;
  const omitted = rows.length - maxRows;
  return [
    '<table>',
    cells('th', titles),
    ...rows.slice(0, maxRows).map((row) => cells('td', row)),
    '</table>',
    ...(omitted > 0 ? [`<p>and ${omitted} more</p>`] : []),
  ].join('\n');
}

function value(json) {
  if (json === undefined) return '';
  return code(typeof json === 'string' ? json : JSON.stringify(json));
}

/** Untrusted text as HTML, at most 300 characters in one line. */
function code(text) {
  if (text === '') return '';
  const shown = text.length > 300 ? `${text.slice(0, 300).toWellFormed()}…` : text;
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  const safe = shown
    .replaceAll(/[&<>"']/g, (character) => entities[character])
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
  return `<code>${safe}</code>`;
}
