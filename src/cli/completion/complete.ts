import { locateWorkspace, type LocateOptions } from '../../draft/workspace/locate-workspace.ts';
import { Workspace } from '../../draft/workspace/workspace.ts';
import { familiarReference, formatReference } from '../../oci/reference.ts';
import { listDrafts } from '../../operations/drafts/drafts.ts';
import { shells } from './completion-script.ts';
import type { CommandDeclaration, OptionDeclaration } from '../args/command-declaration.ts';
import { globalOptions, optionsOf } from '../args/global-options.ts';
import { escapeLine } from '../../text/escape.ts';

/** One thing that may stand where the cursor is. */
interface Candidate {
  readonly word: string;
  readonly describe?: string;
}

interface Completions {
  readonly candidates: readonly Candidate[];
  /** The name of a file may stand there too. */
  readonly files: boolean;
}

/** What cobra's protocol calls ShellCompDirectiveNoFileComp, and the directive that leaves files to the shell. */
const NO_FILES = 4;
const FILES = 0;

/**
 * What is printed for a shell (`--complete`): one candidate a line. For docker (`__complete`): with what it means after a
 * tab, and a directive as the last line. What cannot be found out is no candidate: a shell has no place for an error.
 */
export async function completionText(
  kind: string,
  commands: readonly CommandDeclaration[],
  words: readonly string[],
  surroundings: Surroundings,
): Promise<string> {
  const { candidates, files } = await completions(commands, words, surroundings);
  if (kind === '--complete') return candidates.map(({ word }) => `${word}\n`).join('');
  const line = ({ word, describe }: Candidate) =>
    kind === '__completeNoDesc' || describe === undefined ? `${word}\n` : `${word}\t${escapeLine(describe)}\n`;
  return `${candidates.map(line).join('')}:${files ? FILES : NO_FILES}\n`;
}

type Surroundings = Omit<LocateOptions, 'workspace'>;

/**
 * What may stand where the last of these words stands.
 * @param words - the command line up to the cursor, without the program; the last one is being typed
 */
async function completions(
  commands: readonly CommandDeclaration[],
  words: readonly string[],
  surroundings: Surroundings,
): Promise<Completions> {
  const place = placeOf(commands, words);
  const candidates = await candidatesFor(place, commands, () => draftNames(place.typing, words, surroundings));
  return { candidates: candidates.filter(({ word }) => word.startsWith(place.typing)), files: takesFile(place) };
}

interface Place {
  readonly typing: string;
  readonly command: CommandDeclaration | undefined;
  readonly options: readonly OptionDeclaration[];
  /** The option whose value is being typed. */
  readonly pending: OptionDeclaration | undefined;
  /** How many arguments of the command stand before. */
  readonly before: number;
}

function placeOf(commands: readonly CommandDeclaration[], words: readonly string[]): Place {
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

/** The option that this word is, where the next word is its value. */
function valuedOption(word: string, command: CommandDeclaration | undefined): OptionDeclaration | undefined {
  const options = command === undefined ? globalOptions : optionsOf(command);
  return options.find(
    ({ name, alias, type }) => type !== 'boolean' && (word === `--${name}` || word === `-${alias ?? ''}`),
  );
}

async function candidatesFor(
  place: Place,
  commands: readonly CommandDeclaration[],
  drafts: () => Promise<readonly Candidate[]>,
): Promise<readonly Candidate[]> {
  const { typing, command, options, pending } = place;
  if (pending?.name === 'list') return drafts();
  if (pending !== undefined) return (pending.choices ?? []).map((word) => ({ word }));
  if (typing.startsWith('-')) return options.map(({ name, describe }) => ({ word: `--${name}`, describe }));
  if (command === undefined) return shown(commands).map(({ name, summary }) => ({ word: name, describe: summary }));
  if (command.name === 'completion') return shells.map((word) => ({ word }));
  return takesDraft(place) ? drafts() : [];
}

function shown(commands: readonly CommandDeclaration[]): readonly CommandDeclaration[] {
  return commands.filter(({ hidden }) => hidden !== true);
}

/** Whether the argument at this place may be a list: the first, and every one of `LIST...`. */
function takesDraft({ command, before }: Place): boolean {
  const usage = command?.usage ?? '';
  return usage === 'LIST...' || (before === 0 && /^\[?LIST\b/.test(usage));
}

function takesFile({ command, pending }: Place): boolean {
  if (pending !== undefined) return /^(?:FILE|DIR|F)$/.test(pending.value ?? '');
  return command?.usage.includes('FILE') ?? false;
}

/** Drafts in the form that is being typed: familiar, or with the registry's full name. */
async function draftNames(
  typing: string,
  words: readonly string[],
  surroundings: Surroundings,
): Promise<readonly Candidate[]> {
  const workspace = words[words.indexOf('--workspace') + 1];
  const named = words.includes('--workspace') ? { workspace } : {};
  const drafts = await locateWorkspace({ ...surroundings, ...named })
    .then((folder) => listDrafts(new Workspace(folder)))
    .catch(() => []);
  return drafts.flatMap((draft) => {
    if ('damaged' in draft) return [];
    const familiar = familiarReference(draft.list);
    const describe = draft.platforms.join(' ');
    return [{ word: familiar.startsWith(typing) ? familiar : formatReference(draft.list), describe }];
  });
}
