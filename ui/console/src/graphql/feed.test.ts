import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Connection } from './socket';

type Sent = { query: string; variables?: { after?: string } };
type Sink = { next: (answer: unknown) => void; error: (problem: unknown) => void; complete: () => void };

const line = vi.hoisted(() => ({ sent: [] as { payload: unknown; sink: unknown }[], tell: (_: Connection) => {} }));
vi.mock('./socket', () => ({
  onConnection: (tell: (now: Connection) => void) => {
    line.tell = tell;
    return () => undefined;
  },
  socket: {
    subscribe: (payload: unknown, sink: unknown) => {
      line.sent.push({ payload, sink });
      return () => undefined;
    },
  },
}));

const kept = vi.hoisted(() => vi.fn());
vi.mock('./newest', () => ({ keep: kept }));

/** What was asked last, and who hears the answer. */
const newest = () => line.sent.at(-1) as { payload: Sent; sink: Sink };
const what = ({ payload }: { payload: Sent }) => /^(?:query|subscription) (\w+)/.exec(payload.query)?.[1];
const endsAt = (cursor: string) => {
  const { sink } = newest();
  sink.next({ data: { events: { cursor } } });
  sink.complete();
};
const fails = (code: string) => newest().sink.error([{ message: '', extensions: { code } }]);

let heard: string[];
let ignore: () => void;
let hush: () => () => void;
let stop: () => void;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.resetModules();
  kept.mockClear();
  line.sent = [];
  heard = [];
  const feed = await import('./feed');
  ignore = feed.listen({ event: ({ cursor }) => heard.push(cursor), missed: () => heard.push('all') });
  hush = feed.hush;
  stop = feed.follow();
});
afterEach(() => {
  stop();
  ignore();
  vi.useRealTimers();
});

it('finds where the log ends, has all read after that, and follows from there', () => {
  expect(what(newest())).toBe('FeedStart');
  line.tell('connected');
  expect(heard).toEqual([]);
  endsAt('e.1');
  expect(heard).toEqual(['all']);
  expect(what(newest())).toBe('Feed');
  expect(newest().payload.variables).toEqual({ after: 'e.1' });
  newest().sink.next({ data: { events: { cursor: 'e.2' } } });
  expect(heard).toEqual(['all', 'e.2']);
  // As it is sent again after a lost connection.
  expect(newest().payload.variables).toEqual({ after: 'e.2' });
});

it('goes on after its last cursor when the server cuts it off', async () => {
  endsAt('e.1');
  newest().sink.next({ data: { events: { cursor: 'e.2' } } });
  fails('UNAVAILABLE');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(line.sent.map((each) => what(each as never))).toEqual(['FeedStart', 'Feed', 'Feed']);
  expect(newest().payload.variables).toEqual({ after: 'e.2' });
});

it('reads all again when the events after its cursor are gone, but only once it can follow what comes', async () => {
  endsAt('e.1');
  heard.length = 0;
  fails('CURSOR_EXPIRED');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(what(newest())).toBe('FeedStart');
  expect(heard).toEqual([]);
  endsAt('f.9');
  expect(heard).toEqual(['all']);
  expect(newest().payload.variables).toEqual({ after: 'f.9' });
});

it.each([
  ['an answer without data', () => (newest().sink.next({ data: null, errors: [{}] }), newest().sink.complete())],
  ['an error', () => fails('UNAVAILABLE')],
  ['a closed connection', () => newest().sink.error({ code: 4500 })],
])('asks again after %s', async (_, fail) => {
  fail();
  expect(line.sent).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(line.sent).toHaveLength(2);
  expect(heard).toEqual([]);
  stop();
  fail();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(line.sent).toHaveLength(2);
});

it('tells nobody of anything while it is hushed, and goes on after that', () => {
  endsAt('e.1');
  const speak = hush();
  newest().sink.next({ data: { events: { cursor: 'e.2', node: { id: 'hushed' } } } });
  line.tell('connected');
  expect(heard).toEqual(['all']);
  expect(kept).not.toHaveBeenCalled();
  speak();
  newest().sink.next({ data: { events: { cursor: 'e.3', node: { id: 'told' } } } });
  expect(heard).toEqual(['all', 'e.3']);
  expect(kept.mock.calls).toEqual([[{ id: 'told' }]]);
});
