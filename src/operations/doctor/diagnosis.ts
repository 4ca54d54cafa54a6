import { asMlistError } from '../../errors/errors.ts';
import type { StoredCredentialsOptions } from '../../store/registry/credentials/stored-credentials.ts';
import { proxyVariables, type ProxyVariable } from '../../store/registry/http/proxy.ts';
import { aboutProgram, type ProgramFacts } from './about-program.ts';
import { certificateSources, type CertificateSource } from './certificate-sources.ts';
import { configuredMirrors, type ConfiguredMirrors } from './configured-mirrors.ts';
import { reachEngines, type EngineStatus } from './engine-status.ts';
import { examineFolders, examineWorkspace, type FolderStatus, type WorkspaceStatus } from './folder-status.ts';
import type { DiagnosisOptions } from './diagnosis-options.ts';
import { storedLogins, type StoredLogins } from './stored-logins.ts';

/**
 * The configuration and state of this machine that affect mlist, without secrets. `diagnose` changes nothing and sends
 * no request to a registry.
 */
export interface Diagnosis {
  readonly program: ProgramFacts;
  /** The names of the environment variables that are set and affect mlist. */
  readonly variables: readonly string[];
  readonly workspace: WorkspaceStatus;
  readonly folders: readonly FolderStatus[];
  readonly proxies: readonly ProxyVariable[];
  readonly mirrors: ConfiguredMirrors;
  readonly engines: readonly EngineStatus[];
  readonly logins: StoredLogins;
  readonly certificates: readonly CertificateSource[];
  /** The sections that could not be examined, with the reasons. */
  readonly problems: readonly string[];
}

/**
 * Time limit for all sections together. Without it, reading from a pipe or from an unreachable file server might never
 * end.
 */
const LIMIT_MS = 5000;

const variableNames =
  /^(?:MLIST_\w+|DOCKER_(?:CONFIG|HOST|CONTEXT|AUTH_CONFIG|CERT_PATH|TLS|TLS_VERIFY)|CONTAINER_HOST|REGISTRY_AUTH_FILE|CONTAINERS_REGISTRIES_CONF|REGISTRIES_CONFIG_PATH|XDG_(?:CONFIG_HOME|DATA_HOME|CACHE_HOME|RUNTIME_DIR)|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|NODE_(?:DISABLE_)?COMPILE_CACHE|TMPDIR)$/;

/** Examines this machine in at most about five seconds. Missing or invalid configuration is reported, not thrown. */
export async function diagnose(options: DiagnosisOptions): Promise<Diagnosis> {
  const { env } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(LIMIT_MS)]);
  const limited = { ...options, signal };
  const credentials: StoredCredentialsOptions = limited;
  const problems: string[] = [];
  const examine = async <T>(section: string, work: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await Promise.race([work, rejectedBy(signal)]);
    } catch (thrown) {
      options.signal.throwIfAborted();
      const reason = signal.aborted ? `no result within ${LIMIT_MS / 1000} s` : asMlistError(thrown).message;
      problems.push(`${section}: ${reason}`);
      return otherwise;
    }
  };
  const [workspace, folders, mirrors, engines, logins, certificates] = await Promise.all([
    examine('workspace', examineWorkspace(limited), {}),
    examine('folders', examineFolders(limited), []),
    examine('mirrors', configuredMirrors(limited), { isOff: false, files: [], rules: [] }),
    examine('engines', reachEngines(limited), []),
    examine('logins', storedLogins(credentials), { files: [], logins: [] }),
    examine('certificates', certificateSources(limited), []),
  ]);
  return {
    program: aboutProgram(),
    variables: Object.keys(env)
      .filter((name) => variableNames.test(name) && env[name])
      .sort(),
    workspace,
    folders,
    proxies: proxyVariables(env),
    mirrors,
    engines,
    logins,
    certificates,
    problems,
  };
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
