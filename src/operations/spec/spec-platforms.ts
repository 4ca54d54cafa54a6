import type { Problem } from '../../errors/errors.ts';
import { pointerTo } from '../../json/pointer.ts';
import type { Digest } from '../../oci/digest.ts';
import { MediaType } from '../../oci/media-type.ts';
import { resolveArchitecture, resolveOs } from '../../oci/platform/aliases.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { checkList } from '../../schema/rules/list-rules.ts';
import type { ManifestSpec, PlatformSpec, SpecDocument } from './spec.ts';

/** This file checks the platforms in a spec without reading its images. */

/**
 * Returns a warning for each unknown platform and each variant that no client selects, and an error for each invalid
 * Windows version, as a push does.
 * @param document - a spec that can be parsed
 */
export function checkPlatforms(document: SpecDocument, parse: (text: string) => Platform): readonly Problem[] {
  return [...statedPlatforms(document)].flatMap(({ pointer, platform: stated }) => {
    const platform = typeof stated === 'string' ? parse(stated) : completePlatform(stated);
    return platform === undefined ? [] : problemsOf(platform).map((problem) => ({ ...problem, pointer }));
  });
}

interface StatedPlatform {
  readonly pointer: string;
  readonly platform: string | PlatformSpec;
}

function* statedPlatforms({ platforms, expect, manifests = [] }: SpecDocument): Iterable<StatedPlatform> {
  yield* placed('platforms', platforms);
  yield* placed('expect', expect);
  for (const [at, manifest] of manifests.entries()) {
    const { platform, platforms: own }: Partial<ManifestSpec> = typeof manifest === 'string' ? {} : manifest;
    if (platform != null) yield { pointer: pointerTo('manifests', at, 'platform'), platform };
    for (const { pointer, ...stated } of placed('platforms', own))
      yield { pointer: pointerTo('manifests', at) + pointer, ...stated };
  }
}

function placed(name: string, platforms: readonly string[] = []): readonly StatedPlatform[] {
  return platforms.map((platform, at) => ({ pointer: pointerTo(name, at), platform }));
}

/**
 * Converts a platform object. Returns undefined if os or architecture is missing, because it is then read from the
 * image.
 */
function completePlatform(stated: PlatformSpec): Platform | undefined {
  const { os, architecture, variant, 'os.version': version } = stated;
  if (os == null || architecture == null) return undefined;
  const machine = resolveArchitecture(architecture);
  const ownVariant = variant === undefined ? machine.variant : variant;
  return {
    os: resolveOs(os),
    architecture: machine.architecture,
    ...(version == null ? {} : { 'os.version': version }),
    ...(ownVariant == null ? {} : { variant: ownVariant }),
  };
}

/** Rules that are errors only with `strict`. */
const strictRules = new Set(['W-PLAT-UNKNOWN', 'W-VARIANT']);

function problemsOf(platform: Platform): readonly Problem[] {
  const digest = `sha256:${'0'.repeat(64)}` as Digest;
  const manifests = [{ mediaType: MediaType.ociManifest, digest, size: 1, platform }];
  const problems = checkList({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }, { strict: true });
  return problems
    .filter(({ rule, severity }) => severity === 'error' && (strictRules.has(rule) || rule === 'W-WIN-OSVER'))
    .map((problem) => (strictRules.has(problem.rule) ? { ...problem, severity: 'warning' } : problem));
}
