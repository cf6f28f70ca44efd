// Queries that stay true: fetched again when an event says that what they show has changed.
import { useEffect, useMemo, useRef } from 'react';
import {
  useClient,
  useQuery,
  type AnyVariables,
  type DocumentInput,
  type RequestPolicy,
  type UseQueryResponse,
} from 'urql';
import { listen } from './feed';
import type { LineFragment } from './generated';
import { inTurns } from './turns';

/** What a page shows: everything (absent), one project, or one model of it. */
export type About = { project?: string; model?: string };

export function concerns(about: About, event: Pick<LineFragment, 'project' | 'model'>): boolean {
  if (about.project !== undefined && event.project && event.project.name !== about.project) return false;
  return !(about.model !== undefined && event.model && event.model.name !== about.model);
}

/** A query, fetched again at once when an event tells of what it shows, and after a lost connection (see inTurns). */
export function useLiveQuery<Data, Variables extends AnyVariables>(
  query: DocumentInput<Data, Variables>,
  variables: Variables,
  about: About = {},
  options: { pause?: boolean; requestPolicy?: RequestPolicy } = {},
): UseQueryResponse<Data, Variables> {
  const client = useClient();
  const answer = useQuery({ query, variables, ...options } as Parameters<typeof useQuery<Data, Variables>>[0]);
  const latest = useRef({ query, variables });
  latest.current = { query, variables };
  const { project, model } = about;
  const paused = options.pause ?? false;
  useEffect(() => {
    if (paused) return;
    const turns = inTurns(() =>
      client.query(latest.current.query, latest.current.variables, { requestPolicy: 'network-only' }).toPromise(),
    );
    const ignore = listen({
      event: (event) => concerns({ project, model }, event) && turns.soon(),
      missed: turns.soon,
    });
    return () => {
      ignore();
      turns.stop();
    };
  }, [client, project, model, paused]);
  return answer;
}

/** Call with each event about something. */
export function useEvents(about: About, heard: (event: LineFragment) => void, missed?: () => void): void {
  const latest = useRef({ heard, missed });
  latest.current = { heard, missed };
  const key = useMemo(() => about, [about.project, about.model]);
  useEffect(
    () =>
      listen({
        event: (event) => concerns(key, event) && latest.current.heard(event),
        missed: () => latest.current.missed?.(),
      }),
    [key],
  );
}
