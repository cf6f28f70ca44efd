// Version endpoints as events told of them last: a badge need not wait until its page has read everything again.
import { useSyncExternalStore } from 'react';
import type { EndpointStatusFragment, FeedSubscription } from './generated';

/** How many are kept: those told of last. */
export const MOST = 200;
const told = new Map<string, EndpointStatusFragment>();
const watching = new Set<() => void>();

/** Keep what an event is about, if that is a version endpoint. */
export function keep(node: FeedSubscription['events']['node']): void {
  if (!node || !('lifecycle' in node)) return;
  told.delete(node.id);
  told.set(node.id, node);
  if (told.size > MOST) told.delete(told.keys().next().value!);
  for (const look of [...watching]) look();
}

function watch(look: () => void): () => void {
  watching.add(look);
  return () => watching.delete(look);
}

/** What was read, or what was told of it since. */
export function useNewest<Read extends { id: string; updatedAt: string }>(read: Read): Read {
  const last = useSyncExternalStore(watch, () => told.get(read.id));
  return last && last.updatedAt > read.updatedAt ? { ...read, ...last } : read;
}
