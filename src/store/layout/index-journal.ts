import { constants } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { syncData, syncFolder, type HeldLock } from '../../fs/atomic.ts';
import { openFiles } from '../../fs/open-files.ts';
import { writeFailure } from '../../fs/file-errors.ts';
import { isJsonObject, jsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { writeJson } from '../../json/stringify.ts';
import { descriptorAt, readDocument } from '../../oci/children.ts';
import { isDigest, type Digest } from '../../oci/digest.ts';
import type { EntryEdit } from './entry-edit.ts';
import { EntryTable } from './entry-table.ts';
import { tagOf, type Entries, type Entry } from './index-entries.ts';
import { INDEX_LIMITS } from './index-document.ts';

/**
 * The file with the journal of a layout: edits that are not in index.json yet, one JSON document per line. The embedded
 * registry appends edits to it instead of rewriting the whole index.json for each edit
 * (docs/decisions/0093-journal-of-a-layout.md).
 */
export const JOURNAL_FILE = 'index.journal';

const HEADER = '{"mlistJournal":1}\n';

/** How an edit changes the entries with one key. The key is a tag or, for untagged entries, a digest. */
interface KeyChange {
  readonly tag?: string | undefined;
  /** The digest of the untagged entries. Either `tag` or `digest` is present. */
  readonly digest?: Digest | undefined;
  /** The digests that the entries of the key had before the edit. */
  readonly before: readonly Digest[];
  /** The entries of the key after the edit. */
  readonly after: Entries;
}

/** Formats an edit as a line of the journal. */
export function journalLine(edit: EntryEdit): string {
  const keys = new Map<string, Entry>();
  for (const [before, after] of edit.changed) {
    keys.set(keyOf(before), before);
    if (after !== undefined) keys.set(keyOf(after), after);
  }
  for (const entry of edit.added) keys.set(keyOf(entry), entry);
  const changes = [...keys].map(([key, entry]) => {
    const tag = tagOf(entry);
    const { digest } = entry.descriptor;
    const ofKey = (entries: Entries): Entries => entries.filter((each) => keyOf(each) === key);
    const [before, after] = [edit.base, edit].map((set) =>
      ofKey(tag === undefined ? set.withDigest(digest) : set.tagged(tag)),
    );
    return jsonObject([
      ['tag', tag],
      ['digest', tag === undefined ? digest : undefined],
      ['before', (before ?? []).map((each) => each.descriptor.digest)],
      ['after', (after ?? []).map(({ json }) => json)],
    ]);
  });
  return `${writeJson({ changes })}\n`;
}

/**
 * Appends lines to the journal, and syncs it.
 * @param size - the size of the file after the last append of this process; 0 creates the file
 * @returns the new size
 */
export async function appendToJournal(
  path: string,
  size: number,
  lines: readonly string[],
  lock: HeldLock,
): Promise<number> {
  const bytes = Buffer.from((size === 0 ? HEADER : '') + lines.join(''));
  await lock.confirm();
  try {
    await openFiles.run(async () => {
      const flags = size === 0 ? constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL : constants.O_WRONLY;
      const file = await open(path, flags, 0o644);
      try {
        for (let at = 0; at < bytes.length;) {
          at += (await file.write(bytes, at, bytes.length - at, size + at)).bytesWritten;
        }
        await syncData(file);
      } catch (error) {
        // The callers get an error, so these edits must not take effect later.
        await file.truncate(size).catch(() => undefined);
        throw error;
      } finally {
        await file.close();
      }
    });
  } catch (error) {
    throw writeFailure(path, error);
  }
  if (size === 0) await syncFolder(dirname(path));
  return size + bytes.length;
}

export async function removeJournal(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    // On Windows, a file that another process is reading cannot be removed. It may stay, since its edits are in
    // index.json.
    if (!['ENOENT', 'EPERM', 'EACCES', 'EBUSY'].includes(errorCode(error) ?? '')) throw writeFailure(path, error);
  });
}

/**
 * Applies the edits of a journal to the entries of index.json, and returns the result. If the entries of a key
 * in index.json have neither the digests before the first edit of the key nor the digests after the last one, another
 * tool has changed the key. That change is kept, and the edits of the key are ignored.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the journal has another format, or a line is damaged
 */
export function withJournal(entries: Entries, journal: Uint8Array): Entries {
  const changes = netChanges(journal);
  const byKey = new Map<string, Entry[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    if (changes.has(key)) byKey.set(key, [...(byKey.get(key) ?? []), entry]);
  }
  const table = new EntryTable(entries);
  for (const [key, { before, after }] of changes) {
    const current = byKey.get(key) ?? [];
    const states = [before, digestsOf(after)].map((digests) => [...digests].sort().join());
    if (!states.includes([...digestsOf(current)].sort().join())) continue;
    const changed = new Map(current.map((entry, at) => [entry, after[at]]));
    table.apply({ changed, added: after.slice(current.length) });
  }
  return table.all();
}

/**
 * Combines the changes of all edits to a key: `before` is from the first edit, `after` from the last one. The result is
 * keyed by tag or digest.
 */
function netChanges(journal: Uint8Array): ReadonlyMap<string, KeyChange> {
  const [header = '', ...lines] = Buffer.from(journal).toString('utf8').split('\n');
  const net = new Map<string, KeyChange>();
  // The text after the last line break is empty or an interrupted edit, which was not acknowledged.
  if (lines.length === 0) return net;
  if (`${header}\n` !== HEADER) {
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `its first line is not ${HEADER.trim()}`);
  }
  const complete = lines.slice(0, -1);
  for (const [position, line] of complete.entries()) {
    const changes = parseLine(line);
    if (changes === undefined) {
      if (complete.slice(position).every(isHole)) break;
      throw damagedLine(position + 2);
    }
    for (const change of changes) {
      const key = change.tag === undefined ? untaggedKey(change.digest) : taggedKey(change.tag);
      net.set(key, { ...change, before: net.get(key)?.before ?? change.before });
    }
  }
  return net;
}

/**
 * Whether a line contains zero bytes. A power failure can leave zero bytes in place of the last edits, which were not
 * acknowledged.
 */
function isHole(line: string): boolean {
  return line.includes('\0');
}

/**
 * Creates the error for an invalid line that is not an interrupted edit at the end of the file. Skipping such a line
 * would lose tags silently.
 */
function damagedLine(number: number): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `line ${number} is not a valid edit`, {
    hint:
      `Nothing was changed. Restore the file from a backup, or remove line ${number}. Without this line, ` +
      'the tags and manifests in it may be missing or have an earlier state.',
  });
}

function parseLine(line: string): readonly KeyChange[] | undefined {
  try {
    const { changes } = readDocument(Buffer.from(line), INDEX_LIMITS);
    return Array.isArray(changes) ? (changes as readonly Json[]).map(parseChange) : undefined;
  } catch (error) {
    if (errorCode(error) === 'ERR_MLIST_DOCUMENT_INVALID') return undefined;
    throw error;
  }
}

function parseChange(json: Json): KeyChange {
  const { tag, digest, before, after } = isJsonObject(json) ? json : ({} as JsonObject);
  const key = tag ?? digest;
  const isKey = typeof key === 'string' && (tag === undefined ? isDigest(key) : digest === undefined);
  if (!isKey || !isDigestList(before) || !Array.isArray(after)) {
    throw new MlistError(
      'ERR_MLIST_DOCUMENT_INVALID',
      'a change needs "before", "after", and either "tag" or "digest"',
    );
  }
  return {
    ...(tag === undefined ? { digest: key as Digest } : { tag: key }),
    before,
    after: (after as readonly Json[]).map((each, position) => ({
      descriptor: descriptorAt(each, 'after', position),
      json: each as JsonObject,
    })),
  };
}

function isDigestList(json: Json | undefined): json is readonly Digest[] {
  return Array.isArray(json) && (json as readonly Json[]).every((each) => typeof each === 'string' && isDigest(each));
}

function keyOf(entry: Entry): string {
  const tag = tagOf(entry);
  return tag === undefined ? untaggedKey(entry.descriptor.digest) : taggedKey(tag);
}

function taggedKey(tag: string): string {
  return `:${tag}`;
}

function untaggedKey(digest: Digest | undefined): string {
  return `@${digest ?? ''}`;
}

function digestsOf(entries: Entries): readonly Digest[] {
  return entries.map(({ descriptor }) => descriptor.digest);
}
