import { knownArchitectures, knownSystems } from '../../oci/platform/aliases.ts';
import { isEngineLocation } from '../../oci/engine-location.ts';
import type { CommandDeclaration } from '../args/command-declaration.ts';
import type { Environment } from '../context.ts';
import { OPTIONS_TOPIC } from '../render/help.ts';
import { escapeLine } from '../../text/escape.ts';
import { shells } from './completion-script.ts';
import { cursorOf, type Candidate, type Cursor } from './cursor.ts';
import { draftImages, draftNames, platforms } from './draft-words.ts';

interface Completions {
  readonly candidates: readonly Candidate[];
  /** Whether file names are candidates too. */
  readonly files: boolean;
}

/** Directives of cobra's completion protocol: ShellCompDirectiveNoFileComp and ShellCompDirectiveDefault. */
const NO_FILES = 4;
const FILES = 0;

/**
 * The output for a shell (`--complete`) has one candidate per line. The output for docker (`__complete`) adds a tab and a
 * description to each, and ends with a directive. Errors result in fewer candidates, because a shell cannot show them.
 */
export async function completionText(
  kind: string,
  commands: readonly CommandDeclaration[],
  words: readonly string[],
  environment: Environment,
): Promise<string> {
  const { candidates, files } = await completions(commands, words, environment);
  if (kind === '--complete') return candidates.map(({ word }) => `${word}\n`).join('');
  const line = ({ word, description }: Candidate) =>
    kind === '__completeNoDesc' || description === undefined ? `${word}\n` : `${word}\t${escapeLine(description)}\n`;
  return `${candidates.map(line).join('')}:${files ? FILES : NO_FILES}\n`;
}

/**
 * The candidates for the last word.
 * @param words - the command line up to the cursor, without the program; the last word is incomplete
 */
async function completions(
  commands: readonly CommandDeclaration[],
  words: readonly string[],
  environment: Environment,
): Promise<Completions> {
  const cursor = cursorOf(commands, words);
  const all = await candidatesFor(cursor, commands, environment);
  const fitting = all.filter(({ word }) => word.startsWith(cursor.typing) && isPrintable(word));
  const unique = new Map(fitting.map((candidate) => [candidate.word, candidate]));
  return { candidates: [...unique.values()], files: takesFile(cursor) };
}

/** Shells print candidates, and a line break would separate two of them. Paths in drafts may contain any character. */
function isPrintable(word: string): boolean {
  return escapeLine(word) === word;
}

async function candidatesFor(
  cursor: Cursor,
  commands: readonly CommandDeclaration[],
  environment: Environment,
): Promise<readonly Candidate[]> {
  const { typing, command, options, pending } = cursor;
  if (pending !== undefined) return optionValues(cursor, environment);
  if (typing.startsWith('-'))
    return options.map(({ name, describe }) => ({ word: `--${name}`, description: describe }));
  if (command === undefined) return commandNames(cursor, commands);
  if (command.name === 'completion') return shells.map((word) => ({ word }));
  return argumentWords(cursor, command, environment);
}

function commandNames({ words }: Cursor, commands: readonly CommandDeclaration[]): readonly Candidate[] {
  const visible = commands.filter(({ hidden }) => hidden !== true);
  const names = visible.map(({ name, summary }) => ({ word: name, description: summary }));
  const topics = words.includes('help') ? [{ word: OPTIONS_TOPIC, description: 'The options of every command' }] : [];
  return [...names, ...topics];
}

async function optionValues(cursor: Cursor, environment: Environment): Promise<readonly Candidate[]> {
  const { name = '', value = '', choices } = cursor.pending ?? {};
  if (name === 'list') return draftNames(cursor, environment);
  if (choices !== undefined) return asWords(choices);
  if (value.startsWith('PLATFORM')) {
    const kept = name === 'expect' ? [{ word: 'kept', description: 'the platforms that the tag has now' }] : [];
    return [...(await platforms(cursor, environment)), ...kept];
  }
  if (value === 'OS') return asWords(knownSystems);
  if (value === 'ARCH') return asWords(knownArchitectures);
  return /\b(?:REF|LOCATION)\b/.test(value) ? tagsOf(cursor, environment) : [];
}

/** Drafts, images of the draft, images of an engine, tags of a registry, or platforms, by what the usage names. */
async function argumentWords(
  cursor: Cursor,
  { usage }: CommandDeclaration,
  environment: Environment,
): Promise<readonly Candidate[]> {
  const { typing, positionals, values } = cursor;
  if (isEngineLocation(typing)) return /\b(?:MANIFEST|REF|SRC)\b/.test(usage) ? engineWords(typing, environment) : [];
  if (usage.includes('[=PLATFORM]') && /=[^/:]*(?:\/[^:]*)?$/.test(typing)) return platforms(cursor, environment);
  const isFirst = positionals.length === 0 && !values.has('list');
  const isDraft = usage === 'LIST...' || (isFirst && /^\[?LIST\b/.test(usage));
  const isEntry = /\bMANIFEST\b(?!\[=)/.test(usage);
  const isOnlyDraft = isFirst && /^LIST(?: |$|\.)/.test(usage);
  const isRegistry = /\b(?:REF|SRC|DST)\b|MANIFEST\[=/.test(usage) && !isOnlyDraft && (isFirst || !isEntry);
  const found = await Promise.all([
    isDraft ? draftNames(cursor, environment) : [],
    isEntry ? draftImages(cursor, environment) : [],
    isRegistry ? tagsOf(cursor, environment) : [],
  ]);
  return found.flat();
}

/** The client of registries is loaded only if a tag is typed. */
async function tagsOf(cursor: Cursor, environment: Environment): Promise<readonly Candidate[]> {
  if (!cursor.typing.includes(':')) return [];
  const { registryTags } = await import('./tag-words.ts');
  return asWords(await registryTags(cursor, environment));
}

/** The client of engines is loaded only if it is needed. */
async function engineWords(typing: string, environment: Environment): Promise<readonly Candidate[]> {
  const { engineImages } = await import('./engine-images.ts');
  return asWords(await engineImages(typing, environment));
}

function asWords(words: readonly string[]): readonly Candidate[] {
  return words.map((word) => ({ word }));
}

function takesFile({ command, pending }: Cursor): boolean {
  if (pending !== undefined) return /^(?:FILE|DIR)$/.test(pending.value ?? '');
  return command?.usage.includes('FILE') ?? false;
}
