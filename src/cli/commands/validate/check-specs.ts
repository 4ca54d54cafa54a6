import { exitCodes, type MlistError, type Problem, SeveralErrors } from '../../../errors/errors.ts';
import { type CheckedSpec, validateSpecs } from '../../../operations/validate/validate-specs.ts';
import { withoutPassword } from '../../../oci/reference.ts';
import { counted } from '../../../text/quantity.ts';
import { readSpecFiles, specParsing } from '../../args/spec-files.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { usageError } from '../../args/parse-arguments.ts';
import type { Context } from '../../context.ts';
import { errorDocument, type Output } from '../../output/output.ts';

/** Options that apply only to lists, and are therefore refused with `--file`. */
const listOptions = ['deep', 'repo', 'allow-duplicates', 'expect', 'require-attestation', 'list'];

/** Checks the specs of `validate -f` without sending requests. */
export async function checkSpecs(args: ParsedArguments, context: Context): Promise<number> {
  const beside = listOptions.find((name) => args.has(name));
  if (beside !== undefined) throw usageError(args.command, `--file and --${beside} cannot be used together`);
  const [list] = args.positionals;
  if (list !== undefined)
    throw usageError(
      args.command,
      `--file cannot be combined with another argument: ${JSON.stringify(withoutPassword(list))}`,
    );
  const parsing = specParsing(args, context);
  const { files, unreadable } = await readSpecFiles(args, context);
  const specs = await validateSpecs(files, parsing);
  const isRefused = ({ severity }: Problem): boolean => severity === 'error' || args.flag('strict');
  const refused = specs.filter(({ problems }) => problems.some(isRefused));
  const { output } = context;
  const isValid = refused.length === 0 && unreadable.length === 0;
  if (output.json) output.document(documentOf(specs, refused, unreadable));
  else report(specs, refused, output);
  if (isValid) return 0;
  const [first, ...more] = unreadable;
  if (first === undefined) return exitCodes.ERR_MLIST_DOCUMENT_INVALID;
  const error = SeveralErrors.of([first, ...more]);
  output.error(error);
  return Math.max(error.exitCode, refused.length > 0 ? exitCodes.ERR_MLIST_DOCUMENT_INVALID : 0);
}

function report(specs: readonly CheckedSpec[], refused: readonly CheckedSpec[], output: Output): void {
  for (const { file, problems } of specs) {
    for (const { rule, severity, pointer, message, line, column } of problems) {
      output.line(
        `${file}:${line}:${column}: `,
        [severity, severity === 'error' ? 'red' : 'yellow'],
        ` ${rule} `,
        [pointer === '' ? '/' : pointer, 'cyan'],
        `: ${message}`,
      );
    }
  }
  const total = counted(specs.length, 'list');
  if (refused.length > 0) output.note(['refused ', 'red'], `${refused.length} of ${total}`);
  else if (specs.length > 0) output.note(['valid ', 'green'], total);
}

/** Converts the result for the `--json` output: schemas/output/validate.schema.json. */
function documentOf(
  specs: readonly CheckedSpec[],
  refused: readonly CheckedSpec[],
  unreadable: readonly MlistError[],
): object {
  return {
    from: 'spec',
    valid: refused.length === 0 && unreadable.length === 0,
    problems: specs.flatMap(({ file, problems }) =>
      problems.map(({ rule, severity, pointer, message, line, column }) => {
        return { rule, severity, pointer, message, path: file, line, column };
      }),
    ),
    lists: specs.map((spec) => {
      const { list, file, line, column } = spec;
      return { ref: list, path: file, line, column, valid: !refused.includes(spec) };
    }),
    errors: unreadable.length === 0 ? undefined : unreadable.map(errorDocument),
  };
}
