// Log lines as they come: resumed after the last one when anything broke, drawn together, and not without end.
import { useCallback, useEffect, useRef, useState } from 'react';
import { stringifyDocument } from 'urql';
import {
  LogLinesDocument,
  LogPageDocument,
  type LogLinesSubscription,
  type LogPageQuery,
  type LogPageQueryVariables,
  type LogTextFragment,
} from '@/graphql/generated';
import { mayPass, problemOfSocket, type Problem } from '@/graphql/problem';
import { useRecovery } from '@/graphql/recovery';
import { socket } from '@/graphql/socket';

export type LogLine = LogTextFragment;
export type Wanted = {
  id: string;
  /** Whether the cluster answered last. */
  reachable: boolean;
  follow: boolean;
  previous: boolean;
  pod: string | null;
  search: string | null;
  /** How many of the last lines it begins with. */
  tail?: number;
};

const TAIL = 500;
/** What the page holds, and what the API gives at once; older lines leave it. */
export const MOST_LINES = 5_000;
const DRAW_MS = 60;

type Shown = {
  lines: LogLine[];
  /** Whether older lines have left the page. */
  cut: boolean;
};
export type LogStream = Shown & {
  state: 'opening' | 'reading' | 'over' | 'failed';
  problem?: Problem;
  /** Whether as many lines came as were asked for: there may be older ones. */
  partial: boolean;
};

const NOTHING: LogStream = { lines: [], state: 'opening', cut: false, partial: false };

/** `again` goes on after the last line. What passes by itself is asked again without it. */
export function useLogs(wanted: Wanted, { pause = false } = {}): LogStream & { again: () => void } {
  const [stream, setStream] = useState<LogStream>(NOTHING);
  const { id, reachable, follow, previous, pod, search, tail = TAIL } = wanted;
  const reading = useRef<Reading>(undefined);
  const shown = useRef('');
  useEffect(() => {
    const what = JSON.stringify([id, previous, pod, search]);
    // More or fewer lines of the same log stand until the others are there.
    setStream((now) => (what === shown.current ? { ...now, state: 'opening', problem: undefined } : NOTHING));
    shown.current = what;
    if (pause) return;
    reading.current = read({ id, previous, pod, search, tail, follow: follow && !previous }, setStream);
    return reading.current.end;
  }, [id, follow, previous, pod, search, tail, pause]);
  const again = useCallback(() => reading.current?.begin(), []);
  const { problem } = stream;
  useRecovery(problem && mayPass(problem) ? problem : undefined, reachable, again);
  return { ...stream, again };
}

type Question = Omit<Wanted, 'reachable' | 'tail'> & { tail: number };
type Reading = { begin: () => void; end: () => void };
type Page = LogPageQuery['logs'];
type Answer = { data?: LogPageQuery | null; errors?: unknown; extensions?: unknown };

/** What there is, then what is written. Nothing is told after the end. */
function read({ follow, ...asked }: Question, tell: (next: (now: LogStream) => LogStream) => void): Reading {
  let after: string | null = null;
  let waiting: LogLine[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  const draw = () => {
    clearTimeout(timer);
    timer = undefined;
    const some = waiting;
    waiting = [];
    tell((now) => ({ ...now, ...added(now, some) }));
  };
  const fail = (problem: Problem) => tell((now) => ({ ...now, state: 'failed', problem }));
  const begin = () => {
    stop();
    stop = readPage({ ...asked, after }, opened, fail);
  };
  const opened = ({ lines, cursor }: Page) => {
    draw();
    const isFresh = after === null;
    tell((now) => ({
      ...(isFresh
        ? { lines, cut: false, partial: lines.length >= asked.tail }
        : { ...added(now, lines), partial: now.partial }),
      state: follow ? 'reading' : 'over',
    }));
    after = cursor ?? after;
    if (follow) goOn();
  };
  const goOn = () => {
    const { previous, ...rest } = asked;
    // graphql-ws sends this very object again after a lost connection: with the cursor as it is by then.
    const variables: Record<string, unknown> = { ...rest, after };
    stop = subscribe<LogLinesSubscription>(
      { query: stringifyDocument(LogLinesDocument), variables },
      {
        next: ({ data, errors }) => {
          if (errors) return fail(problemOfSocket(errors));
          if (!data) return;
          after = variables.after = data.logs.cursor;
          waiting.push(data.logs);
          timer ??= setTimeout(draw, DRAW_MS);
        },
        error: (reason) => fail(problemOfSocket(reason)),
        complete: () => tell((now) => (now.state === 'failed' ? now : { ...now, state: 'over' })),
      },
    );
  };
  begin();
  return {
    begin,
    end: () => {
      clearTimeout(timer);
      stop();
    },
  };
}

/** Asks for lines that there are. Nothing is told once the returned function was called. */
export function readPage(
  variables: LogPageQueryVariables,
  done: (page: Page) => void,
  fail: (problem: Problem) => void,
): () => void {
  let answer: Answer = {};
  return subscribe<LogPageQuery>(
    { query: stringifyDocument(LogPageDocument), variables },
    {
      // It comes again when the connection was lost meanwhile.
      next: (each) => void (answer = each),
      error: (reason) => fail(problemOfSocket(reason)),
      complete: () => {
        if (answer.data) return done(answer.data.logs);
        fail(problemOfSocket(answer.errors, answer.extensions as { requestId?: string } | undefined));
      },
    },
  );
}

/** Disposing calls `complete` as the end of the stream does: what was left says nothing any more. */
function subscribe<Data>(
  payload: Parameters<typeof socket.subscribe>[0],
  { next, error, complete }: Parameters<typeof socket.subscribe<Data>>[1],
): () => void {
  let isLeft = false;
  const stop = socket.subscribe<Data>(payload, {
    next: (answer) => void (isLeft || next(answer)),
    error: (reason) => void (isLeft || error(reason)),
    complete: () => void (isLeft || complete()),
  });
  return () => {
    isLeft = true;
    stop();
  };
}

export function added(now: Shown, some: LogLine[]): Shown {
  const lines = [...now.lines, ...some];
  return lines.length > MOST_LINES ? { lines: lines.slice(-MOST_LINES), cut: true } : { lines, cut: now.cut };
}
