import { MlistError } from '../../errors/errors.ts';
import { parseDockerMetadata, type DockerMetadata } from '../../operations/sources/docker-metadata.ts';
import type { Context } from '../context.ts';
import { inputName, readInput } from './input-file.ts';
import type { ParsedArguments } from './command-declaration.ts';

const VARIABLE = 'DOCKER_METADATA_OUTPUT_JSON';

/** Reads the metadata that `--docker-metadata` specifies. Returns undefined if the option is not given. */
export async function readDockerMetadata(args: ParsedArguments, context: Context): Promise<DockerMetadata | undefined> {
  const source = args.text('docker-metadata');
  if (source === undefined) return undefined;
  if (source === 'env') return parseDockerMetadata(Buffer.from(fromEnvironment(context)), VARIABLE);
  return parseDockerMetadata(await readInput(source, context), inputName(source));
}

function fromEnvironment({ env }: Context): string {
  const text = env[VARIABLE];
  if (text !== undefined && text !== '') return text;
  throw new MlistError('ERR_MLIST_USAGE', `--docker-metadata env: ${VARIABLE} is unset or empty`, {
    hint: 'docker/metadata-action sets this variable for later steps of the same job. In other jobs, write its output "json" to a file, and pass that file to --docker-metadata.',
  });
}
