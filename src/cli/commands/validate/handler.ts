import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exitCodes, MlistError, type Problem, withFirstHint } from '../../../errors/errors.ts';
import { isLocalLocation } from '../../../oci/location.ts';
import { validateBytes, validateFile, validateList, type Validated } from '../../../operations/validate/validate.ts';
import { parseRequirement } from '../../../operations/validate/predicate-requirement.ts';
import { counted } from '../../../text/quantity.ts';
import { readExpected } from '../../args/platform-arguments.ts';
import { usageError } from '../../args/parse-arguments.ts';
import { onlyList, typedLocation } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { readInput } from '../../args/input-file.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  if (args.has('file')) return (await import('./check-specs.ts')).checkSpecs(args, context);
  const value = ['set', 'env'].find((name) => args.has(name));
  if (value !== undefined) throw usageError(args.command, `--${value} needs --file`);
  const list = onlyList(args, context);
  const { output } = context;
  const { from, subject, problems, checked } = await check(list, args, context);
  const isRefused = (problem: Problem) => problem.severity === 'error' || args.flag('strict');
  const valid = !problems.some(isRefused);
  if (output.json) output.document({ ...subjectDocument(subject, from), valid, problems, checked });
  else {
    for (const { rule, severity, pointer, message } of problems) {
      output.line(
        [severity, severity === 'error' ? 'red' : 'yellow'],
        ` ${rule} `,
        [pointer === '' ? '/' : pointer, 'cyan'],
        `: ${message}`,
      );
    }
    if (checked !== undefined)
      output.note(`checked ${counted(checked.manifests, 'manifest')} and ${counted(checked.blobs, 'blob')}`);
    output.note(valid ? ['valid ', 'green'] : ['refused ', 'red'], subject);
  }
  return valid ? 0 : exitCodes.ERR_MLIST_DOCUMENT_INVALID;
}

async function check(name: string | undefined, args: ParsedArguments, context: Context): Promise<Validated> {
  const rules = { strict: args.flag('strict'), allowDuplicates: args.flag('allow-duplicates') };
  const checks = readChecks(args);
  const repository = args.text('repo');
  const isDocument = name === '-' || (name !== undefined && isFile(name));
  const needsRepository = checks.deep || checks.expect.length > 0 || checks.requireAttestations.length > 0;
  if (repository !== undefined && !(needsRepository && isDocument)) {
    throw new MlistError(
      'ERR_MLIST_USAGE',
      '--repo needs a file, and one of --deep, --expect and --require-attestation',
    );
  }
  if (!isDocument) {
    return validateList(name, { ...rules, ...checks }, context).catch(async (thrown: unknown) => {
      throw await withFileHint(thrown, name, context);
    });
  }
  const options = {
    ...checks,
    rules,
    stores: context.stores,
    repository: repository === undefined ? undefined : typedLocation(repository, context),
    signal: context.signal,
  };
  return name === '-'
    ? validateBytes('stdin', await readInput('-', context), options)
    : context.waiting(`validate ${name}`, validateFile(resolve(context.cwd, name), options));
}

/**
 * Reads the options that select checks.
 * @throws MlistError `ERR_MLIST_USAGE` if `--expect kept` is given
 */
function readChecks(args: ParsedArguments) {
  const { expect, expectKept } = readExpected(args.texts('expect'));
  if (expectKept) {
    throw new MlistError('ERR_MLIST_USAGE', '--expect kept cannot be used with validate, which does not move tags', {
      hint: 'List the expected platforms, or use "mlist push --dry-run --expect kept".',
    });
  }
  const required = args.texts('require-attestation').flatMap((text) => text.split(','));
  return {
    deep: args.flag('deep'),
    expect,
    requireAttestations: required.map((text) => parseRequirement(text.trim())),
  };
}

/**
 * Whether a name is a path. Only its beginning decides, so the meaning of a name does not depend on which files exist.
 */
function isFile(name: string): boolean {
  return /^(?:\.{0,2}[\\/]|[A-Za-z]:[\\/])/.test(name);
}

/** If a list cannot be validated but a file has its name, adds a hint that shows how to specify the file. */
async function withFileHint(thrown: unknown, name: string | undefined, { cwd, signal }: Context): Promise<unknown> {
  if (!(thrown instanceof MlistError) || name === undefined || isLocalLocation(name) || signal.aborted) return thrown;
  const info = await stat(resolve(cwd, name)).catch(() => undefined);
  if (info?.isFile() !== true) return thrown;
  const hint = `A file has this name. To validate it, use ./${name}.`;
  return withFirstHint(thrown, hint);
}

/**
 * Returns `from`, and the member that identifies what was validated: `ref` for a list or draft, `path` for a file, none
 * for stdin.
 */
function subjectDocument(subject: string, from: Validated['from']): object {
  if (from !== 'file') return { from, ref: subject };
  return subject === 'stdin' ? { from: 'stdin' } : { from, path: subject };
}
