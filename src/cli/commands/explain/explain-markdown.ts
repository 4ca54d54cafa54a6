import { shortDigest } from '../../../oci/digest.ts';
import type { Explained, ExplainedPlatform } from '../../../operations/explain/explain.ts';
import { markdownCode, markdownTable, markdownText } from '../../../text/markdown.ts';
import {
  entryNotes,
  getsText,
  isDivided,
  machineText,
  platformText,
  selectedImages,
  summaryOf,
} from '../../../operations/explain/explain-facts.ts';

/** Formats an explanation as Markdown: the images of the list, then a sentence and a table for each platform. */
export function explainMarkdown(explained: Explained): readonly string[] {
  const notes = entryNotes(explained);
  const images = explained.entries.filter(({ kind }) => kind !== 'attestation');
  const entries = markdownTable(
    [{ header: 'Entry', align: 'right' }, { header: 'Platform' }, { header: 'Digest' }, { header: 'Note' }],
    images.map((entry) => [
      entry.place,
      markdownCode(platformText(entry)),
      markdownCode(shortDigest(entry.digest)),
      markdownText(notes.get(entry.place) ?? ''),
    ]),
  );
  return [
    `### ${markdownCode(explained.reference)}`,
    '',
    `- digest: ${markdownCode(explained.digest)}`,
    ...(entries.length === 0 ? [] : ['', ...entries]),
    ...explained.platforms.flatMap((platform) => ['', ...platformLines(platform, machineText(explained))]),
  ];
}

function platformLines(platform: ExplainedPlatform, machine: string): readonly string[] {
  const because = isDivided(platform);
  const clients = markdownTable(
    [{ header: 'Client' }, { header: 'Gets' }, { header: 'Runs here' }, { header: 'Because' }],
    platform.clients.map((client) => [
      client.name,
      markdownCode(getsText(client)),
      client.runs?.verdict ?? 'unknown',
      because ? markdownText(client.reason) : '',
    ]),
  );
  const runs = selectedImages(platform)
    .filter(({ runs: { verdict } }) => verdict !== 'native')
    .map(
      ({ picked, runs }) =>
        `- ${markdownCode(picked.platform ?? 'no platform')} on this machine (${markdownCode(machine)}): ${markdownText(runs.reason)}`,
    );
  return [
    `**${markdownCode(platform.platform)}**: ${markdownText(summaryOf(platform).text)}`,
    '',
    ...clients,
    ...(runs.length === 0 ? [] : ['', ...runs]),
  ];
}
