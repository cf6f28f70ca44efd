// Where in the timeline of a rollout the lines of its pods belong: under the step during which they were written.
import type { LineFragment } from '@/graphql/generated';
import type { LogLine } from './log-stream';

type Event = Pick<LineFragment, 'cursor' | 'at' | 'type' | 'revision'>;

/** While these are the last that happened, a pod starts; what it writes later is not about the rollout. */
const starting = new Set(['deployment.applied', 'deployment.starting', 'cluster.event']);

/** The log's lines by the cursor of the event under which each belongs; `events` are the newest first. */
export function placed<L extends Pick<LogLine, 'at' | 'revision'>>(lines: L[], events: Event[]): Map<string, L[]> {
  const found = new Map<string, L[]>();
  for (const line of lines) {
    const at = Date.parse(line.at);
    const before = events.find((event) => event.revision === line.revision && Date.parse(event.at) <= at);
    if (!before || !starting.has(before.type)) continue;
    const there = found.get(before.cursor);
    if (there) there.push(line);
    else found.set(before.cursor, [line]);
  }
  return found;
}

/** The lines that were kept of a pod when its revision failed. */
export function keptLines(failure: unknown): string[] {
  const evidence = (failure as { evidence?: { log_tail?: unknown } } | null | undefined)?.evidence;
  return Array.isArray(evidence?.log_tail) ? evidence.log_tail.map(String) : [];
}
