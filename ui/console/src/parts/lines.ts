// The lines of a timeline, newest first: read backwards page by page, forwards after the newest, no line twice.
import type { LineFragment } from '@/graphql/generated';

/** A cursor's place in the log; all of one installation share what stands before the dot. */
const place = (line: Pick<LineFragment, 'cursor'>): number => Number(line.cursor.slice(line.cursor.indexOf('.') + 1));

/** Both lists as one, newest first, each line once. */
export function merge<L extends Pick<LineFragment, 'cursor'>>(some: L[], others: L[]): L[] {
  const all = new Map<string, L>();
  for (const line of [...some, ...others]) all.set(line.cursor, line);
  return [...all.values()].sort((a, b) => place(b) - place(a));
}
