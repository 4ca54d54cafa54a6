import { diagnose } from '../../../operations/doctor/diagnosis.ts';
import { reachRegistry } from '../../../operations/doctor/registry-status.ts';
import { registryOf } from '../../../operations/login/login.ts';
import { storedCredentials } from '../../../store/registry/credentials/stored-credentials.ts';
import { credentialOptions } from '../../args/credential-options.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import type { Context } from '../../context.ts';
import { diagnosisDocument, renderDiagnosis } from './render-diagnosis.ts';

/** Prints the diagnosis. Returns the highest exit code of the registry's problems, or 0 if it has no problems. */
export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const { env, home, platform, systemFolder, uid, cwd, signal, output } = context;
  const [host] = args.positionals;
  const registry = host === undefined ? undefined : registryOf(host);
  const credentials = credentialOptions(args, context);
  const { authFile } = credentials;
  const workspace = args.text('workspace');
  const [diagnosis, status] = await Promise.all([
    diagnose({ env, home, platform, systemFolder, uid, cwd, workspace, authFile, signal }),
    registry === undefined
      ? undefined
      : context
          .stores()
          .then(({ registries }) => reachRegistry(registry, registries, storedCredentials(credentials), signal)),
  ]);
  if (output.json) output.document(diagnosisDocument(diagnosis, status));
  else renderDiagnosis(diagnosis, status, output);
  return Math.max(0, ...(status?.problems ?? []).map(({ exitCode }) => exitCode));
}
