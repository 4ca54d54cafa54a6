import { getsText, isDivided, summaryOf } from '../operations/explain/explain-facts.ts';
import type { ExplainedPlatform } from '../operations/explain/explain.ts';
import type { Overview } from '../operations/overview/overview.ts';
import { clipped, limited, markup, type Html } from './html.ts';
import { digestCode, table } from './parts.ts';

const classes = { green: 'good', yellow: 'warn', red: 'bad' } as const;
const signs = { green: '✓', yellow: '≠', red: '✗' } as const;
const MAX_ENTRIES = 50;
const MAX_TEXT = 300;

/**
 * Returns the section with the image that each client selects for each platform of a list, and with the entries that no
 * client selects. Returns undefined if the section would be empty, as for a single image.
 */
export function clientSection({ platforms, hasMorePlatforms, unreachable }: Overview): Html | undefined {
  if (platforms.length === 0 && unreachable.length === 0) return undefined;
  const never = limited(
    unreachable,
    MAX_ENTRIES,
    ({ place, digest, reason }) =>
      markup`<li>Entry ${place} (${digestCode(digest, undefined)}): ${clipped(reason, MAX_TEXT)}</li>`,
    (count) => markup`<li class="muted">and ${count} more</li>`,
  );
  return markup`${platforms.map(platformDetails)}${hasMorePlatforms && markup`<p class="muted">The other platforms of the list are not displayed. Use “mlist explain --platform” for them.</p>`}${
    unreachable.length > 0 && markup`<h3>No client selects these entries</h3>\n<ul>${never}</ul>`
  }`;
}

/**
 * Renders the clients of a platform in a details element. The element is closed if all clients select the same image
 * and a host of the platform can run it; otherwise, it is open.
 */
function platformDetails(platform: ExplainedPlatform): Html {
  const { text, style } = summaryOf(platform);
  const rows = platform.clients.map((client) => ({
    cells: [
      markup`<span title="${client.version}">${client.name}</span>`,
      markup`<span class="${client.fits ? undefined : 'bad'}">${clipped(getsText(client), MAX_TEXT)}</span>`,
      clipped(client.reason, MAX_TEXT),
    ],
  }));
  const columns = [{ header: 'Client' }, { header: 'Gets' }, { header: 'Because' }];
  const name = clipped(platform.platform, MAX_TEXT);
  return markup`<details${isDivided(platform) && markup` open`}>
<summary><strong>${name}</strong> <span class="${classes[style]}"><span aria-hidden="true">${signs[style]}</span> ${clipped(text, MAX_TEXT)}</span></summary>
<div class="inside">${table({ label: `What clients get for ${platform.platform.slice(0, MAX_TEXT)}`, columns, rows })}</div>
</details>
`;
}
