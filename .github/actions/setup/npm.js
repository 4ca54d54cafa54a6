// Installs the npm package.
import { Buffer } from 'node:buffer';
import { X509Certificate } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ActionError, log, withoutCommands } from '../lib/workflow.js';
import { runProgram } from '../lib/program.js';

const provenanceType = 'https://slsa.dev/provenance/v1';

/**
 * Installs the package and verifies its provenance.
 * @returns the folder that contains `node_modules`, below `work`
 */
export async function installPackage({ version, isVerified, repository }, work) {
  if (process.platform === 'win32') throw new ActionError('"source: npm" is not available on Windows: use the release');
  const folder = join(work, 'package');
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  log(`Install the npm package mlist@${version}`);
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--save-exact'];
  await npm(['install', ...options, `mlist@${version}`], folder, `mlist@${version} cannot be installed`);
  if (isVerified) await verifyProvenance(folder, version, repository);
  return folder;
}

async function npm(args, cwd, failure) {
  const { code, stdout, stderr } = await runProgram('npm', args, { cwd });
  if (code === 0) return stdout;
  await withoutCommands((print) => print(`${stderr}${stdout}`));
  throw new ActionError(`${failure}: "npm ${args[0]}" ended with exit code ${code}`);
}

/**
 * npm verifies signatures and attestations; the identity in the certificate must be the release workflow of the repository
 * for the tag of this version.
 */
async function verifyProvenance(folder, version, repository) {
  const failure = `the provenance of mlist@${version} cannot be verified`;
  const text = await npm(['audit', 'signatures', '--json', '--include-attestations'], folder, failure);
  const { verified } = JSON.parse(text);
  if (!Array.isArray(verified)) {
    throw new ActionError(`${failure}: this npm does not report attestations; update it ("npm install -g npm@latest")`);
  }
  const own = verified.find((one) => one.name === 'mlist' && one.version === version);
  const bundles = (own?.attestationBundles ?? []).filter(({ predicateType }) => predicateType === provenanceType);
  if (bundles.length === 0) throw new ActionError(`${failure}: the package has no provenance`);
  const expected = `URI:https://github.com/${repository}/.github/workflows/release.yml@refs/tags/v${version}`;
  const signers = bundles.map(({ bundle }) => signer(bundle));
  if (signers.includes(expected)) return;
  throw new ActionError(`${failure}: it was built by ${signers.join(', ')} instead of ${expected}`);
}

/** The subject alternative name of the certificate that a Sigstore bundle was signed with. */
function signer({ verificationMaterial }) {
  const { certificate, x509CertificateChain } = verificationMaterial;
  const { rawBytes } = certificate ?? x509CertificateChain.certificates[0];
  return new X509Certificate(Buffer.from(rawBytes, 'base64')).subjectAltName;
}
