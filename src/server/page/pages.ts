import { Limiter } from '../../async/limiter.ts';
import { errorMessage } from '../../errors/errors.ts';
import { commandsFor } from '../../html/command-lines.ts';
import type { PageContent } from '../../html/document.ts';
import { overviewPage } from '../../html/overview-page.ts';
import { problemPage } from '../../html/problem-page.ts';
import { repositoriesPage, tagsPage } from '../../html/repository-pages.ts';
import { isDigest } from '../../oci/digest.ts';
import { formatLocation, type RegistryLocation } from '../../oci/location.ts';
import { contentFault } from '../../operations/content-fault.ts';
import type { LookupResult } from '../../operations/lookup.ts';
import { overviewOf } from '../../operations/overview/overview.ts';
import { BlobCache } from '../../store/cache.ts';
import type { ManifestContent } from '../../store/store.ts';
import { allows } from '../auth/rights.ts';
import { fetchManifest } from '../routes/manifest-routes.ts';
import { repositoryOf, tagsIn } from '../routes/requested-content.ts';
import { replaceNotFound, unknownManifest } from '../request-error.ts';
import type { ServerExchange } from '../server-exchange.ts';
import type { Repository } from '../storage.ts';
import { hostOf, hrefOf, isEncrypted, isOnLoopback, replyPage } from './page-reply.ts';
import { repositorySummary, tagSummary } from './summaries.ts';

/** This file handles the requests for pages in a browser. The pages change nothing, and work without JavaScript. */

/** Limits how many pages are built at once, because a page may read many manifests. */
const building = new Limiter(4);

/** A separate limit for pages with content of upstreams, so that a slow upstream does not delay other pages. */
const fetching = new Limiter(4);

function limiterFor({ isRemote = false }: Repository): Limiter {
  return isRemote ? fetching : building;
}

const MAX_REPOSITORIES = 200;
const MAX_TAGS = 100;
/** The maximum number of manifests that are read for the page of a list. */
const MAX_READ = 200;

/** Sends the page `/`, which lists the repositories that the caller may read. */
export async function showRepositories(exchange: ServerExchange): Promise<void> {
  const { service, caller } = exchange;
  const all = await service.repositories.names();
  const names = all.filter((name) => allows(caller.rights, 'read', name));
  const { items, next } = pageOf(exchange, names, MAX_REPOSITORIES);
  const summaries = await building.run(async () => {
    const found = await Promise.all(items.map((name) => repositorySummary(name, service.repositories)));
    return found.filter((summary) => summary !== undefined);
  });
  replyPage(exchange, repositoriesPage({ items: summaries, next }, hostOf(exchange)));
}

/** Sends the page `/-/repo/NAME`, which lists the tags of a repository. */
export async function showTags(exchange: ServerExchange): Promise<void> {
  const { name } = exchange;
  const host = hostOf(exchange);
  const page = async (): Promise<PageContent> => {
    const repository = await repositoryOf(exchange);
    const { items, next } = pageOf(exchange, await tagsIn(repository), MAX_TAGS);
    const summaries = await limiterFor(repository).run(() =>
      Promise.all(items.map((tag) => tagSummary(name, tag, repository))),
    );
    return tagsPage({ items: summaries, next }, name, host);
  };
  replyPage(
    exchange,
    await page().catch((error: unknown) => {
      return problemPage({ heading: name, message: describe(error) }, [{ text: host, href: '/' }, { text: name }]);
    }),
  );
}

/**
 * Returns the first `limit` names after the name in `?after=`, in lexical order, and the URL of the next page if there
 * are more.
 */
function pageOf({ query, request }: ServerExchange, names: readonly string[], limit: number) {
  const after = query.get('after') ?? '';
  const rest = names.filter((name) => name > after).sort();
  const items = rest.slice(0, limit);
  const path = request.url?.split('?')[0] ?? '';
  const next =
    rest.length > limit ? `${path}?${new URLSearchParams({ after: items.at(-1) ?? '' }).toString()}` : undefined;
  return { items, next };
}

/** Sends the page `/-/repo/NAME:TAG` or `/-/repo/NAME@DIGEST`, which describes a list or an image. */
export async function showContent(exchange: ServerExchange): Promise<void> {
  const { name, lastSegment: reference } = exchange;
  const host = hostOf(exchange);
  const heading = `${name}${isDigest(reference) ? '@' : ':'}${reference}`;
  const trail = [{ text: host, href: '/' }, { text: name, href: hrefOf(name) }, { text: reference }];
  let content: ManifestContent | undefined;
  const page = async (): Promise<PageContent> => {
    const repository = await repositoryOf(exchange);
    const read = await replaceNotFound(fetchManifest(repository, reference), () => unknownManifest(reference));
    content = read;
    const overview = await limiterFor(repository).run(() => readOverview(exchange, repository, read));
    const options = isEncrypted(exchange) || isOnLoopback(exchange) ? '' : ` --plain-http ${host}`;
    const frame = { trail, heading, commands: commandsFor(overview.view, options) };
    return overviewPage(overview, { ...frame, hrefOf: (digest) => hrefOf(name, digest) });
  };
  replyPage(
    exchange,
    await page().catch((error: unknown) => {
      // If the manifest could not be read, the error message is omitted: it may contain a file path of the server.
      const message = content === undefined ? describe(error) : `${describe(error)} ${errorMessage(error)}`;
      return problemPage({ heading, message, bytes: content?.bytes }, trail);
    }),
  );
}

/** Returns a description of an error that missing or invalid content has caused. Rethrows any other error. */
function describe(error: unknown): string {
  const fault = contentFault(error);
  if (fault === undefined) throw error;
  return `${fault[0]?.toUpperCase() ?? ''}${fault.slice(1)}.`;
}

function readOverview(exchange: ServerExchange, repository: Repository, content: ManifestContent) {
  const { name, lastSegment } = exchange;
  const named = isDigest(lastSegment) ? { digest: lastSegment } : { tag: lastSegment };
  const reference = { domain: hostOf(exchange), path: name, ...named };
  const location: RegistryLocation = { kind: 'registry', reference, explicit: true };
  const found: LookupResult = { from: 'registry', reference: formatLocation(location), location, content };
  const stores = () => ({ source: () => Promise.resolve(repository) });
  return overviewOf(found, { cache: new BlobCache(undefined), stores, ownReferrers: true, maxRead: MAX_READ });
}
