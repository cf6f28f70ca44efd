// The events of everything the caller may see, followed without a gap: each page hears of what it shows.
import type { GraphQLError } from 'graphql';
import { stringifyDocument } from 'urql';
import {
  FeedDocument,
  FeedStartDocument,
  type FeedStartQuery,
  type FeedSubscription,
  type LineFragment,
} from './generated';
import { keep } from './newest';
import { onConnection, socket } from './socket';

export type Listener = {
  /** An event, in the order of the log. */
  event: (event: LineFragment) => void;
  /** Some may have been missed: read everything again. */
  missed: () => void;
};

const listeners = new Set<Listener>();
const AGAIN_MS = 1_000;
let after: string | null = null;

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let hushed = false;

/** Tell nobody of anything until the returned function is called; `reread` makes up for it. */
export function hush(): () => void {
  hushed = true;
  return () => void (hushed = false);
}

/** Have all that is shown read again. */
export function reread(): void {
  if (hushed) return;
  for (const listener of [...listeners]) listener.missed();
}

/** Follow the feed until the returned function is called. */
export function follow(): () => void {
  let ended = false;
  let stop = () => {};
  const begin = () => {
    if (ended) return;
    if (after === null) start();
    else resume();
  };
  const later = () => void setTimeout(begin, AGAIN_MS);
  /** Find where the log ends now. What is read after that is followed by all that comes. */
  const start = () => {
    stop = socket.subscribe<FeedStartQuery>(
      { query: stringifyDocument(FeedStartDocument) },
      {
        next: ({ data }) => void (after = data?.events.cursor ?? null),
        error: later,
        complete: () => {
          if (after === null) return later();
          reread();
          begin();
        },
      },
    );
  };
  const resume = () => {
    // graphql-ws sends this very object again after a lost connection: with the cursor as it is by then.
    const payload = { query: stringifyDocument(FeedDocument), variables: { after } as Record<string, unknown> };
    stop = socket.subscribe<FeedSubscription>(payload, {
      next: ({ data }) => {
        if (!data) return;
        after = payload.variables.after = data.events.cursor;
        if (hushed) return;
        keep(data.events.node);
        for (const listener of [...listeners]) listener.event(data.events);
      },
      error: (problem) => {
        if (isExpired(problem)) after = null;
        // The reader was too slow, or may see other projects now: nothing is missed after the last cursor.
        else reread();
        later();
      },
      complete: later,
    });
  };
  begin();
  // What could not be read while the connection was lost. Without a cursor, all is read as soon as there is one.
  const heal = onConnection((now) => {
    if (now === 'connected' && after !== null) reread();
  });
  return () => {
    ended = true;
    heal();
    stop();
  };
}

const isExpired = (problem: unknown): boolean =>
  Array.isArray(problem) && problem.some((one: GraphQLError) => one.extensions?.code === 'CURSOR_EXPIRED');
