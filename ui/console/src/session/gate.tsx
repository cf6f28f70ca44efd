// Nobody passes without a session: who has none is told how to get in; who has one is known to every page.
import { createContext, Suspense, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import { Provider } from 'urql';
import { makeClient } from '@/graphql/client';
import { follow, hush, reread } from '@/graphql/feed';
import { SessionDocument, type SessionQuery } from '@/graphql/generated';
import { problemOf, type Problem } from '@/graphql/problem';
import { admit, onRefused } from '@/graphql/socket';
import { lazy } from '@/shell/chunks';
import { Frame } from '@/shell/frame';
import { isKept, mustReload } from '@/shell/leaving';
import { Loading } from '@/shell/loading';
import { watchWindows } from './beside';
import { signIn, signOut, takeToken } from './session';

// Most come with a session and never see these.
const SignIn = lazy(async () => ({ default: (await import('./sign-in')).SignIn }));
const SignInOver = lazy(async () => ({ default: (await import('./sign-in')).SignInOver }));
const NoAnswer = lazy(async () => ({ default: (await import('./sign-in')).NoAnswer }));

type Session = SessionQuery & { leave: () => void };
// `other` is who signed in meanwhile, in another window.
type Ended = { problem?: string; other?: string };
type State =
  | { at: 'asking' }
  // `ended`: the pages stay as they are, with what was typed, while one signs in over them.
  | { at: 'in'; known: SessionQuery; ended?: Ended }
  | { at: 'out'; problem?: string }
  | { at: 'unanswered'; problem: Problem };

export const SessionContext = createContext<Session | null>(null);
const AGAIN_MS = 2_000;

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('There is no session here.');
  return session;
}

// Taken when the page is loaded, before the router reads the address.
let given = takeToken();
// Who was here last: nothing that they saw is shown to another.
let last: string | undefined;

export function SessionGate({ children }: { children: ReactNode }) {
  const [state, setState] = useState<State>({ at: 'asking' });
  const out = useCallback(
    (problem?: string) =>
      setState((now) => {
        if (now.at === 'in') {
          if (problem !== undefined) return { ...now, ended: { ...now.ended, problem } };
          return now.ended && !now.ended.other ? now : { ...now, ended: {} };
        }
        return now.at === 'out' && problem === undefined ? now : { at: 'out', problem };
      }),
    [],
  );
  const client = useMemo(() => makeClient(() => out()), [out]);

  const ask = useCallback(async () => {
    const answer = await client.query(SessionDocument, {}, { requestPolicy: 'network-only' }).toPromise();
    if (answer.data) {
      const { subject } = answer.data.me;
      if (last !== undefined && last !== subject) {
        if (!isKept()) return mustReload();
        return setState((now) => (now.at === 'in' ? { ...now, ended: { other: subject } } : now));
      }
      last = subject;
      setState({ at: 'in', known: answer.data });
      admit();
    } else if ((answer.error?.response as Response | undefined)?.status === 401) out();
    else if (answer.error) {
      const problem = problemOf(answer.error);
      setState((now) => {
        if (now.at !== 'in') return { at: 'unanswered', problem };
        return now.ended ? { ...now, ended: { ...now.ended, problem: problem.message } } : now;
      });
    }
  }, [client, out]);

  const enter = useCallback(
    async (token: string) => {
      const problem = await signIn(token.trim());
      if (problem === undefined) await ask();
      else out(problem);
    },
    [ask, out],
  );

  useEffect(() => {
    onRefused(() => out());
    const token = given;
    given = null;
    if (token !== null) void enter(token);
    else void ask();
  }, [ask, enter, out]);

  useEffect(() => {
    if (state.at !== 'unanswered') return;
    const timer = setTimeout(() => void ask(), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [state, ask]);

  useEffect(() => watchWindows(() => void ask()), [ask]);

  const ended = state.at === 'in' ? state.ended : undefined;
  const inside = state.at === 'in';
  useEffect(() => (inside ? follow() : undefined), [inside]);

  const isOther = ended?.other !== undefined;
  // What the page shows is not read again as somebody else, who may not see it.
  useEffect(() => (isOther ? hush() : undefined), [isOther]);

  const isOver = ended !== undefined;
  // What failed while there was no session is read again.
  useEffect(() => (isOver ? reread : undefined), [isOver]);

  const known = state.at === 'in' ? state.known : undefined;
  const leave = useCallback(() => {
    // The pages go first: they would take the session's end, which the server tells them too, for news.
    setState({ at: 'asking' });
    void signOut().then((problem) => setState({ at: 'out', problem }));
  }, []);
  const session = useMemo(() => known && { ...known, leave }, [known, leave]);
  if (state.at === 'asking')
    return (
      <>
        <Frame />
        <Loading />
      </>
    );
  if (state.at === 'unanswered')
    return (
      <Suspense fallback={<Loading />}>
        <NoAnswer problem={state.problem} />
      </Suspense>
    );
  if (session === undefined)
    return (
      <Suspense fallback={<Loading />}>
        <SignIn problem={state.at === 'out' ? state.problem : undefined} enter={enter} />
      </Suspense>
    );
  return (
    <SessionContext value={session}>
      <Provider value={client}>{children}</Provider>
      {ended && (
        <Suspense>
          <SignInOver {...ended} me={session.me.subject} enter={enter} />
        </Suspense>
      )}
    </SessionContext>
  );
}
