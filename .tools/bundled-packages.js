// Finds the npm packages whose code is in the bundles, and writes their licences and the software bill of materials.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// What a licence file of a package does not say.
const NOTICES = {
  tldts:
    'Contains the rules of the Public Suffix List, which are subject to the terms of the Mozilla Public License 2.0\n' +
    '(https://mozilla.org/MPL/2.0/). Their source is available at https://publicsuffix.org/list/.',
};

/**
 * The packages whose code is in the output of esbuild.
 *
 * @param root the folder that contains node_modules, and that the paths in the metafiles are relative to
 * @param metafiles of every run of esbuild
 * @returns name, version, licence (an SPDX expression) and licence text of each package, sorted by name and version
 * @throws if a package has no licence text
 */
export function bundledPackages(root, metafiles) {
  const folders = new Set();
  for (const { outputs } of metafiles)
    for (const { inputs } of Object.values(outputs))
      for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
        const [, folder] = /^(?:.*:)?(.*\bnode_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
        if (folder !== undefined && bytesInOutput > 0) folders.add(folder);
      }
  // A package may be installed several times.
  const packages = new Map(
    [...folders].map((folder) => readPackage(join(root, folder))).map((one) => [idOf(one), one]),
  );
  return [...packages.values()].sort((one, other) => (idOf(one) < idOf(other) ? -1 : 1));
}

const idOf = ({ name, version }) => `${name}@${version}`;

function readPackage(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = readdirSync(folder).filter((file) => /^(?:licen[cs]es?|copying)(?:[.-].*)?$/i.test(file));
  if (files.length === 0) throw new Error(`${name}@${version} is bundled, but has no file with its licence`);
  if (typeof license !== 'string')
    throw new Error(`${name}@${version} is bundled, but its package.json has no license`);
  const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim());
  return { name, version, license, text: texts.join('\n\n') };
}

/** Writes THIRD-PARTY-LICENSES.txt and sbom.cdx.json to a folder. */
export function writeInventory(root, metafiles, folder) {
  const packages = bundledPackages(root, metafiles);
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), licencesText(packages));
  const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(
    join(folder, 'sbom.cdx.json'),
    `${JSON.stringify(billOfMaterials({ name, version, license }, packages), null, 2)}\n`,
  );
}

export function licencesText(packages) {
  const rule = '-'.repeat(80);
  const sections = packages.map(({ name, version, license, text }) =>
    [rule, `${name} ${version} (${license})`, rule, '', ...(name in NOTICES ? [NOTICES[name], ''] : []), text, ''].join(
      '\n',
    ),
  );
  return ['mlist contains code of the following packages.', '', ...sections].join('\n');
}

/**
 * A CycloneDX document. It has no serial number and no time, so that two builds produce the same bytes.
 *
 * @param subject the package that contains the others
 */
function billOfMaterials(subject, packages) {
  const components = packages.map((one) => ({ type: 'library', ...componentOf(one) }));
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', ...componentOf(subject) } },
    components,
    dependencies: [
      { ref: purlOf(subject), dependsOn: components.map((component) => component['bom-ref']) },
      ...components.map((component) => ({ ref: component['bom-ref'] })),
    ],
  };
}

function componentOf({ name, version, license }) {
  const purl = purlOf({ name, version });
  // A component is named by its group, the scope of a package, and its name.
  const [, group, plain] = /^(?:(@[^/]+)\/)?(.+)$/.exec(name);
  return {
    'bom-ref': purl,
    ...(group === undefined ? {} : { group }),
    name: plain,
    version,
    purl,
    licenses: [/[ ()]/.test(license) ? { expression: license } : { license: { id: license } }],
  };
}

const purlOf = ({ name, version }) => `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;
