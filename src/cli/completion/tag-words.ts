import { locateWorkspace, ownWorkspace } from '../../draft/workspace/locate-workspace.ts';
import { ProjectGuard } from '../../draft/workspace/project-guard.ts';
import { isLocalLocation } from '../../oci/location.ts';
import { parseReference, type Reference } from '../../oci/reference.ts';
import { listTags } from '../../operations/tags/registry-tags.ts';
import { openStores } from '../args/open-stores.ts';
import { parseCommand } from '../args/parse-arguments.ts';
import type { Environment } from '../context.ts';
import { Output } from '../output/output.ts';
import type { Cursor } from './cursor.ts';

/** The shell waits for the candidates, so a registry that does not respond within this time is ignored. */
const TIME_LIMIT_MS = 2000;

/** The maximum number of tags to read. */
const MAX_TAGS = 5000;

/**
 * Completes the tag of a reference such as `ghcr.io/team/app:1` with the tags in the registry. Uses the options of the
 * command line and the stored credentials. Never prompts or prints, and does not retry unless `--retries` is given.
 * @returns the repository, as typed, with each tag that was read before the time limit or an error. Empty if the word
 *   contains no repository
 */
export async function registryTags(cursor: Cursor, environment: Environment): Promise<readonly string[]> {
  const [, before = '', name = ''] = /^((?:docker:\/\/)?([^@]+):)[^:/@]*$/.exec(cursor.typing) ?? [];
  const repository = isLocalLocation(cursor.typing) ? undefined : repositoryIn(name);
  if (cursor.command === undefined || repository === undefined) return [];
  const abort = AbortSignal.timeout(TIME_LIMIT_MS);
  const tags: string[] = [];
  try {
    // With --help, the parser accepts an incomplete command line.
    const complete = cursor.pending === undefined ? cursor.words : cursor.words.slice(0, -1);
    const options = complete.toSpliced(complete.indexOf(cursor.command.name), 1);
    const retries = cursor.values.has('retries') ? [] : ['--retries=0'];
    const args = parseCommand(cursor.command, [...options, ...retries, '--help']);
    const places = { ...environment, workspace: cursor.values.get('workspace') };
    const folder = await locateWorkspace(places);
    const guard = new ProjectGuard({
      workspace: folder,
      cwd: environment.cwd,
      ownWorkspace: ownWorkspace(places),
    });
    const stores = openStores(args, await silentOutput(environment), {
      ...environment,
      folder,
      guard,
      pipes: {},
      signal: abort,
      waiting: (_what, work) => work,
      onEvent: () => undefined,
    });
    try {
      for await (const tag of listTags(repository, { stores, signal: abort })) {
        tags.push(before + tag);
        if (tags.length === MAX_TAGS) break;
      }
    } finally {
      await stores.close();
    }
  } catch {
    // The tags that were read before the failure are still candidates.
  }
  return tags;
}

/**
 * Parses the name of a repository. Returns undefined for any other text, and for a name that has no slash and looks like
 * a host, because the user is then typing a port.
 */
function repositoryIn(name: string): Reference | undefined {
  if (!name.includes('/') && /^localhost$|\./.test(name)) return undefined;
  try {
    const reference = parseReference(name);
    return reference.tag === undefined && reference.digest === undefined ? reference : undefined;
  } catch {
    return undefined;
  }
}

function silentOutput({ env }: Environment): Promise<Output> {
  const sink = { write: () => true };
  return Output.open({ stdout: sink, stderr: sink }, { json: false, quiet: true, debug: false, progress: 'none', env });
}
