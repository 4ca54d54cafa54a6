import { locateWorkspace, type LocateOptions } from '../../draft/workspace/locate-workspace.ts';
import { Workspace } from '../../draft/workspace/workspace.ts';
import { isEngineLocation } from '../../oci/engine-location.ts';
import { familiarReference, formatReference } from '../../oci/reference.ts';
import { listDrafts } from '../../operations/drafts/drafts.ts';
import { shells } from './completion-script.ts';
import type { CommandDeclaration, OptionDeclaration } from '../args/command-declaration.ts';
import { globalOptions, optionsOf } from '../args/global-options.ts';
import { escapeLine } from '../../text/escape.ts';

/** A word that completes the command line at the cursor. */
interface Candidate {
  readonly word: string;
  readonly description?: string;
}

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
  environment: CompletionEnvironment,
): Promise<string> {
  const { candidates, files } = await completions(commands, words, environment);
  if (kind === '--complete') return candidates.map(({ word }) => `${word}\n`).join('');
  const line = ({ word, description }: Candidate) =>
    kind === '__completeNoDesc' || description === undefined ? `${word}\n` : `${word}\t${escapeLine(description)}\n`;
  return `${candidates.map(line).join('')}:${files ? FILES : NO_FILES}\n`;
}

type CompletionEnvironment = Omit<LocateOptions, 'workspace'>;

/**
 * The candidates for the last word.
 * @param words - the command line up to the cursor, without the program; the last word is incomplete
 */
async function completions(
  commands: readonly CommandDeclaration[],
  words: readonly string[],
  environment: CompletionEnvironment,
): Promise<Completions> {
  const cursor = cursorOf(commands, words);
  const candidates = await candidatesFor(cursor, commands, {
    drafts: () => draftNames(cursor.typing, words, environment),
    images: () => imagesOfEngine(cursor.typing, environment),
  });
  return { candidates: candidates.filter(({ word }) => word.startsWith(cursor.typing)), files: takesFile(cursor) };
}

interface Cursor {
  /** The incomplete word. */
  readonly typing: string;
  readonly command: CommandDeclaration | undefined;
  readonly options: readonly OptionDeclaration[];
  /** The option whose value is the incomplete word. */
  readonly pending: OptionDeclaration | undefined;
  /** The number of positionals before the incomplete word. */
  readonly before: number;
}

function cursorOf(commands: readonly CommandDeclaration[], words: readonly string[]): Cursor {
  const typing = words.at(-1) ?? '';
  let command: CommandDeclaration | undefined;
  let isHelp = false;
  let pending: OptionDeclaration | undefined;
  let before = 0;
  for (const word of words.slice(0, -1)) {
    if (pending !== undefined) pending = undefined;
    else if (word.startsWith('-')) pending = valuedOption(word, command);
    else if (command === undefined && !isHelp) {
      command = commands.find(({ name }) => name === word);
      isHelp = word === 'help';
    } else before += 1;
  }
  return { typing, command, options: command === undefined ? globalOptions : optionsOf(command), pending, before };
}

/** The option that the word names, if the next word is its value. */
function valuedOption(word: string, command: CommandDeclaration | undefined): OptionDeclaration | undefined {
  const options = command === undefined ? globalOptions : optionsOf(command);
  return options.find(
    ({ name, alias, type }) => type !== 'boolean' && (word === `--${name}` || word === `-${alias ?? ''}`),
  );
}

interface Names {
  readonly drafts: () => Promise<readonly Candidate[]>;
  /** Images in the engine whose prefix was typed. */
  readonly images: () => Promise<readonly Candidate[]>;
}

async function candidatesFor(
  cursor: Cursor,
  commands: readonly CommandDeclaration[],
  { drafts, images }: Names,
): Promise<readonly Candidate[]> {
  const { typing, command, options, pending } = cursor;
  if (pending?.name === 'list') return drafts();
  if (pending !== undefined) return (pending.choices ?? []).map((word) => ({ word }));
  if (typing.startsWith('-'))
    return options.map(({ name, describe }) => ({ word: `--${name}`, description: describe }));
  if (command === undefined)
    return visible(commands).map(({ name, summary }) => ({ word: name, description: summary }));
  if (command.name === 'completion') return shells.map((word) => ({ word }));
  if (takesImage(cursor)) return images();
  return takesDraft(cursor) ? drafts() : [];
}

/** Whether the positional may be an image of an engine: its prefix was typed, and the command reads images. */
function takesImage({ typing, command }: Cursor): boolean {
  return isEngineLocation(typing) && /\b(?:MANIFEST|REF|SRC)\b/.test(command?.usage ?? '');
}

/** The client of engines is loaded only if it is needed. */
async function imagesOfEngine(typing: string, environment: CompletionEnvironment): Promise<readonly Candidate[]> {
  const { engineImages } = await import('./engine-images.ts');
  return (await engineImages(typing, environment)).map((word) => ({ word }));
}

function visible(commands: readonly CommandDeclaration[]): readonly CommandDeclaration[] {
  return commands.filter(({ hidden }) => hidden !== true);
}

/** Whether the positional may be a draft: the first one, and each of `LIST...`. */
function takesDraft({ command, before }: Cursor): boolean {
  const usage = command?.usage ?? '';
  return usage === 'LIST...' || (before === 0 && /^\[?LIST\b/.test(usage));
}

function takesFile({ command, pending }: Cursor): boolean {
  if (pending !== undefined) return /^(?:FILE|DIR)$/.test(pending.value ?? '');
  return command?.usage.includes('FILE') ?? false;
}

/** The names of drafts, in the short form if it begins with the incomplete word, else with the host of the registry. */
async function draftNames(
  typing: string,
  words: readonly string[],
  environment: CompletionEnvironment,
): Promise<readonly Candidate[]> {
  const workspace = words[words.indexOf('--workspace') + 1];
  const named = words.includes('--workspace') ? { workspace } : {};
  const drafts = await locateWorkspace({ ...environment, ...named })
    .then((folder) => listDrafts(new Workspace(folder)))
    .catch(() => []);
  return drafts.flatMap((draft) => {
    if ('damaged' in draft) return [];
    const familiar = familiarReference(draft.list);
    const description = draft.platforms.join(' ');
    return [{ word: familiar.startsWith(typing) ? familiar : formatReference(draft.list), description }];
  });
}
