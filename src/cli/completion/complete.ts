import { knownArchitectures, knownSystems } from '../../oci/platform/aliases.ts';
import { isEngineLocation } from '../../oci/engine-location.ts';
import type { ArgumentKind, CommandDeclaration, OptionDeclaration } from '../args/command-declaration.ts';
import type { Environment } from '../context.ts';
import { OPTIONS_TOPIC } from '../render/help.ts';
import { escapeLine } from '../../text/escape.ts';
import { shells } from './completion-script.ts';
import { argumentKinds, cursorOf, type Candidate, type Cursor } from './cursor.ts';
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
 * Returns the output of a completion call: one candidate per line. For docker (`__complete`, `__completeNoDesc`), the
 * last line is a directive. With `__complete`, a candidate may be followed by a tab and its description. Errors are
 * ignored, because a shell cannot show them; candidates are then missing.
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
 * Returns the candidates for the last word.
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

/**
 * Whether a candidate contains only printable characters. A path in a draft may contain a line break, and a shell would
 * treat the text after it as another candidate.
 */
function isPrintable(word: string): boolean {
  return escapeLine(word) === word;
}

async function candidatesFor(
  cursor: Cursor,
  commands: readonly CommandDeclaration[],
  environment: Environment,
): Promise<readonly Candidate[]> {
  const { typing, command, options, pending } = cursor;
  if (pending !== undefined) return optionValues(pending, cursor, environment);
  if (typing.startsWith('-'))
    return options.map(({ name, describe }) => ({ word: `--${name}`, description: describe }));
  if (command === undefined) return commandNames(cursor, commands);
  return argumentWords(cursor, environment);
}

function commandNames({ words }: Cursor, commands: readonly CommandDeclaration[]): readonly Candidate[] {
  const visible = commands.filter(({ hidden }) => hidden !== true);
  const names = visible.map(({ name, summary }) => ({ word: name, description: summary }));
  const topics = words.includes('help')
    ? [{ word: OPTIONS_TOPIC, description: 'Global options, which all commands accept' }]
    : [];
  return [...names, ...topics];
}

/** The kinds of option values, keyed by the placeholder in help. */
const valueKinds: Readonly<Record<string, 'draft' | 'image' | 'platform' | 'os' | 'architecture' | 'file'>> = {
  LIST: 'draft',
  REF: 'image',
  LOCATION: 'image',
  ':TAG|REF': 'image',
  PLATFORM: 'platform',
  'PLATFORM[,PLATFORM]': 'platform',
  OS: 'os',
  ARCH: 'architecture',
  FILE: 'file',
  'env|FILE': 'file',
  SPEC: 'file',
  DIR: 'file',
};

async function optionValues(
  option: OptionDeclaration,
  cursor: Cursor,
  environment: Environment,
): Promise<readonly Candidate[]> {
  if (option.choices !== undefined) return asWords(option.choices);
  switch (valueKinds[option.value ?? '']) {
    case 'draft':
      return draftNames(cursor, environment);
    case 'image':
      return tagsOf(cursor, environment);
    case 'platform':
      return [...(await platforms(cursor, environment)), ...(option.name === 'expect' ? [keptPlatforms] : [])];
    case 'os':
      return asWords(knownSystems);
    case 'architecture':
      return asWords(knownArchitectures);
    default:
      return [];
  }
}

const keptPlatforms: Candidate = { word: 'kept', description: 'the platforms that the tag has now' };

async function argumentWords(cursor: Cursor, environment: Environment): Promise<readonly Candidate[]> {
  const { typing } = cursor;
  const kinds = argumentKinds(cursor);
  if (isEngineLocation(typing)) return kinds.some(mayBeImage) ? engineWords(typing, environment) : [];
  const isPlatform = kinds.includes('image=platform') && /=[^/:]*(?:\/[^:]*)?$/.test(typing);
  if (isPlatform) return platforms(cursor, environment);
  const words: Readonly<Record<ArgumentKind, () => Promise<readonly Candidate[]>>> = {
    draft: () => draftNames(cursor, environment),
    entry: () => draftImages(cursor, environment),
    image: () => tagsOf(cursor, environment),
    'image=platform': () => tagsOf(cursor, environment),
    // The shell completes file names itself.
    file: () => Promise.resolve([]),
    shell: () => Promise.resolve(asWords(shells)),
  };
  return (await Promise.all(kinds.map((kind) => words[kind]()))).flat();
}

/**
 * Whether the argument may be the location of an image. This includes entries, because an entry can be named by its
 * source.
 */
function mayBeImage(kind: ArgumentKind): boolean {
  return kind === 'image' || kind === 'image=platform' || kind === 'entry';
}

/** Completes the tag of a reference. The registry client is loaded only if the incomplete word contains a colon. */
async function tagsOf(cursor: Cursor, environment: Environment): Promise<readonly Candidate[]> {
  if (!cursor.typing.includes(':')) return [];
  const { registryTags } = await import('./tag-words.ts');
  return asWords(await registryTags(cursor, environment));
}

/** Completes an engine image. The engine client is loaded only when this is needed. */
async function engineWords(typing: string, environment: Environment): Promise<readonly Candidate[]> {
  const { engineImages } = await import('./engine-images.ts');
  return asWords(await engineImages(typing, environment));
}

function asWords(words: readonly string[]): readonly Candidate[] {
  return words.map((word) => ({ word }));
}

function takesFile(cursor: Cursor): boolean {
  const { pending } = cursor;
  return pending === undefined ? argumentKinds(cursor).includes('file') : valueKinds[pending.value ?? ''] === 'file';
}
