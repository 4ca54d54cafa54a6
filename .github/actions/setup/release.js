// Installs the executable of a GitHub release.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ActionError, log, withoutCommands } from '../lib/workflow.js';
import { runProgram } from '../lib/program.js';

/** The system and architecture in the names of release files, by those of Node. */
const targets = {
  'linux-x64': 'linux-x64.tar.gz',
  'linux-arm64': 'linux-arm64.tar.gz',
  'darwin-x64': 'macos-x64.tar.gz',
  'darwin-arm64': 'macos-arm64.tar.gz',
  'win32-x64': 'windows-x64.zip',
};

/**
 * Downloads, verifies and unpacks a release.
 * @returns the folder with the executable, below `work`
 */
export async function installRelease({ version, isVerified, token, repository }, work) {
  const name = `mlist-${version}-${target()}`;
  const gh = githubClient(token);
  const tag = `v${version}`;
  log(`Download ${name} of ${repository} ${tag}`);
  const download = ['release', 'download', tag, '--repo', repository, '--dir', work];
  await gh([...download, '--pattern', name, '--pattern', 'SHA256SUMS'], `mlist ${version} cannot be downloaded`);
  const archive = join(work, name);
  await checkDigest(archive, name, join(work, 'SHA256SUMS'));
  if (isVerified) {
    // Only the release workflow, run for this very tag on a runner of GitHub, is accepted as the builder.
    const policy = [
      '--signer-workflow',
      `${repository}/.github/workflows/release.yml`,
      '--source-ref',
      `refs/tags/${tag}`,
    ];
    await gh(
      ['attestation', 'verify', archive, '--repo', repository, ...policy, '--deny-self-hosted-runners'],
      `the build provenance of ${name} cannot be verified`,
    );
  }
  return unpack(archive, join(work, 'unpacked'));
}

function target() {
  const system = `${process.platform}-${process.arch}`;
  if (!Object.hasOwn(targets, system)) {
    throw new ActionError(
      `there is no executable for ${system}; "source: npm" installs the npm package, which needs Node`,
    );
  }
  if (process.platform === 'linux' && isMusl()) {
    throw new ActionError(
      'the executable needs glibc, but this system uses musl (such as Alpine); ' +
        'set "source: npm" to install the npm package, which needs Node and npm in the job',
    );
  }
  return targets[system];
}

function isMusl() {
  return process.report.getReport().header.glibcVersionRuntime === undefined;
}

/** Runs gh, whose output is untrusted. `failure` begins the message of the error. */
function githubClient(token) {
  return async (args, failure) => {
    const env = { ...process.env, GH_TOKEN: token, GH_PROMPT_DISABLED: '1', GH_NO_UPDATE_NOTIFIER: '1' };
    const { code, stderr } = await runProgram('gh', args, { env }).catch((error) => {
      if (!(error instanceof ActionError)) throw error;
      throw new ActionError(`${failure}: ${error.message}; install the GitHub CLI (https://cli.github.com) in the job`);
    });
    if (code === 0) return;
    await withoutCommands((print) => print(stderr));
    throw new ActionError(`${failure}: "gh ${args.slice(0, 2).join(' ')}" ended with exit code ${code}`);
  };
}

/** Detects a damaged download. This is no protection against a changed release: the provenance is. */
async function checkDigest(archive, name, sums) {
  const digest = createHash('sha256')
    .update(await readFile(archive))
    .digest('hex');
  const listed = (await readFile(sums, 'utf8'))
    .split('\n')
    .map((line) => /^([0-9a-f]{64}) [ *](.+)$/.exec(line.trimEnd()))
    .find((match) => match?.[2] === name)?.[1];
  if (listed === undefined) throw new ActionError(`SHA256SUMS of the release has no line for ${name}`);
  if (listed !== digest) throw new ActionError(`${name} has the SHA-256 digest ${digest} instead of ${listed}`);
}

/** Unpacks the archive, which has the executable at its root. */
async function unpack(archive, folder) {
  await mkdir(folder);
  // The tar of Git for Windows cannot read zip files; that of Windows can.
  const isWindows = process.platform === 'win32';
  const tar = isWindows ? join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', 'tar.exe') : 'tar';
  const { code, stderr } = await runProgram(tar, ['-xf', archive, '-C', folder]);
  if (code !== 0) throw new ActionError(`${archive} cannot be unpacked: ${stderr.trim()}`);
  const program = isWindows ? 'mlist.exe' : 'mlist';
  if (!existsSync(join(folder, program))) throw new ActionError(`${archive} contains no ${program}`);
  return folder;
}
