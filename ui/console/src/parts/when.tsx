// A moment: how long ago it was, the exact one on hover; it grows older by itself.
import { useSyncExternalStore } from 'react';

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

export function ago(at: string, now: number): string {
  const seconds = (Date.parse(at) - now) / 1_000;
  const size = Math.abs(seconds);
  if (size < 5) return 'just now';
  const [unit, length] = steps.find(([, each]) => size >= each) ?? ['second', 1];
  return relative.format(Math.trunc(seconds / length), unit);
}

/** 2026-11-24 20:25:37.123, of the reader's own clock. */
export function exactly(at: string): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

// One clock for all of a page's times.
const TICK_MS = 5_000;
const watching = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(tell: () => void): () => void {
  watching.add(tell);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of [...watching]) each();
  }, TICK_MS);
  return () => {
    watching.delete(tell);
    if (watching.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

export function When({ at }: { at: string | null | undefined }) {
  const moment = useSyncExternalStore(watch, () => now);
  if (!at) return <>–</>;
  // What happened after the last tick is not in the future.
  return (
    <time dateTime={at} title={exactly(at)} style={{ whiteSpace: 'nowrap' }}>
      {ago(at, Math.max(moment, Math.min(Date.now(), Date.parse(at))))}
    </time>
  );
}
