import type { Entry } from '../../../draft/draft.ts';
import { describeEntry } from '../../../draft/entry-selection.ts';
import { MlistError } from '../../../errors/errors.ts';
import type { Reference } from '../../../oci/reference.ts';
import { annotate, type Annotated, type AnnotateOptions } from '../../../operations/edit/annotate.ts';
import type { EditTarget } from '../../../operations/edit-target.ts';
import {
  annotationChange,
  listChange,
  listFirst,
  tooManyArguments,
  typedLocation,
  typedName,
} from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { platformOption } from '../../args/list-options.ts';
import { runEdit } from '../../args/run-edit.ts';
import { entryDocument } from '../../output/entry-document.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import type { Span } from '../../output/output.ts';
import { canonicalPlatform, clearable, readPlatforms } from '../../args/platform-arguments.ts';
import { withListArgumentHint } from '../../args/list-argument.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const { list, rest } = listFirst(args, context);
  const [manifest, ...more] = rest.map((text) => typedName(text, context));
  if (more.length > 0) throw tooManyArguments(args);
  const { output, signal } = context;
  const requested = changes(args, context);
  const platforms = readPlatforms(args.texts('platform'));
  if (args.flag('all')) refuseWithAll(args, requested, manifest !== undefined || platforms.length > 0);
  const edit = async (name: Reference | undefined, place: EditTarget): Promise<Annotated> => {
    const { workspace, resolveManifest, onEvent } = place;
    const annotated = await annotate(name, {
      ...requested,
      workspace,
      manifest: manifest === undefined ? undefined : await resolveManifest(manifest),
      platforms,
      all: args.flag('all'),
      strict: args.flag('strict'),
      stores: context.stores,
      choose: context.canAsk ? (candidates) => choose(candidates, context) : undefined,
      signal,
      onEvent,
    });
    place.whenAccepted(() => report(annotated, args, context));
    return annotated;
  };
  const { edited, pushed } = await withListArgumentHint(list, args, context, async () =>
    runEdit(list, args, context, edit),
  ).catch((thrown: unknown) => {
    throw withCommands(thrown, list, args);
  });
  if (output.json) output.document({ ...annotatedDocument(edited), pushed });
  return 0;
}

/**
 * Checks the arguments that are combined with `--all`.
 * @throws MlistError `ERR_MLIST_USAGE` if they also select images, or change only the list itself
 */
function refuseWithAll(args: ParsedArguments, { change }: Changes, isSelected: boolean): void {
  if (isSelected) {
    throw new MlistError('ERR_MLIST_USAGE', '--all cannot be combined with a MANIFEST argument or --platform', {
      hint: 'Leave out --all to change only the selected images.',
    });
  }
  if (changesList(args) && Object.values(change).every((member) => member === undefined)) {
    throw new MlistError('ERR_MLIST_USAGE', '--all needs an option that changes the images', {
      hint: 'Use --annotation for the images. --index-annotation, --index-artifact-type and --subject change only the list.',
    });
  }
}

/** Converts the result for the `--json` output: schemas/output/annotate.schema.json. */
function annotatedDocument({ list, changed, entries }: Annotated): object {
  const documents = entries.map(({ entry }) => entryDocument(entry));
  const [only] = documents.length === 1 ? documents : [];
  return { ref: list, changed, entry: only, entries: documents.length === 0 ? undefined : documents };
}

function report({ entries, changed, list }: Annotated, args: ParsedArguments, { output }: Context): void {
  const verb = args.flag('dry-run') ? 'would annotate ' : 'annotated ';
  const status = (isChanged: boolean): Span => (isChanged ? [verb, 'green'] : ['unchanged ', 'dim']);
  for (const one of entries) output.note(status(entries.length > 1 ? one.changed : changed), describeEntry(one.entry));
  if (changesList(args)) output.note(status(changed), `the list ${list}`);
}

function changesList(args: ParsedArguments): boolean {
  return ['index-annotation', 'index-artifact-type', 'subject'].some((name) => args.has(name));
}

type Changes = Pick<AnnotateOptions, 'change' | 'listChange' | 'subject'>;

function changes(args: ParsedArguments, context: Context): Changes {
  const { platform, notes } = canonicalPlatform({
    os: clearable(args.text('os')),
    architecture: clearable(args.text('arch')),
    variant: clearable(args.text('variant')),
    'os.version': clearable(args.text('os-version')),
  });
  for (const note of notes) context.output.note(note);
  const subject = args.text('subject');
  const isPlatform = Object.keys(platform).length > 0;
  return {
    change: {
      platform: isPlatform ? platform : undefined,
      features: featureChange(args),
      annotations: annotationChange(args.texts('annotation'), '--annotation'),
      artifactType: clearable(args.text('artifact-type')),
    },
    listChange: listChange(args),
    subject: subject === undefined ? undefined : subject === '' ? null : typedLocation(subject, context),
  };
}

/** Parses the features to add to the existing ones, as in docker. An empty value first removes the existing ones. */
function featureChange(args: ParsedArguments): AnnotateOptions['change']['features'] {
  if (!args.has('os-features')) return undefined;
  const features = args.texts('os-features').flatMap((text) => (text === '' ? [''] : text.split(',')));
  return { clear: features.includes(''), add: features.filter((feature) => feature !== '') };
}

async function choose(candidates: readonly Entry[], context: Context): Promise<Entry | undefined> {
  const { output, ask } = context;
  for (const [index, entry] of candidates.entries()) output.note([`${index + 1}) `, 'bold'], describeEntry(entry));
  const answer = Number((await ask(`Select an entry [1-${candidates.length}]: `)).trim());
  return candidates[answer - 1];
}

/** Replaces the candidates in an error with complete commands that select them. */
function withCommands(thrown: unknown, list: string | undefined, args: ParsedArguments): unknown {
  if (!(thrown instanceof MlistError) || thrown.facts.candidates === undefined) return thrown;
  const name = list ?? thrown.facts.reference ?? '';
  const options = typedOptions(args);
  const candidates = thrown.facts.candidates.map((candidate) => `mlist annotate ${name} ${candidate}${options}`);
  return new MlistError(thrown.code, thrown.message, { ...thrown.facts, candidates });
}

/**
 * Returns the options of this command line for a suggested command. `--platform` is left out, because the suggested
 * command names the entry.
 */
function typedOptions(args: ParsedArguments): string {
  return args.command.options
    .filter(({ name }) => args.has(name) && name !== platformOption.name)
    .flatMap(({ name }) =>
      args.flag(name) ? [` --${name}`] : args.texts(name).map((value) => ` --${name} ${quoted(value)}`),
    )
    .join('');
}

function quoted(text: string): string {
  return /^[\w./:=@,+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
