import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './page.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createClient } from 'graphql-ws';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { examples } from './examples.js';
import { useScheme } from './scheme.js';
import { hasSession, signIn, signOut, takeToken } from '../../console/src/session/session';

const url = `${window.location.origin}/graphql`;
const fetcher = createGraphiQLFetcher({ url, wsClient: createClient({ url: url.replace(/^http/, 'ws'), lazy: true }) });

function SignIn({ onSignedIn, found }) {
  const [problem, setProblem] = useState(found);
  const [busy, setBusy] = useState(false);
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    const seen = await signIn(new FormData(event.target).get('token').trim());
    setBusy(false);
    setProblem(seen);
    if (seen === undefined) onSignedIn();
  }
  return (
    <form className="token" onSubmit={submit}>
      <h1>Merlin GraphiQL</h1>
      <label htmlFor="token">Token</label>
      <input id="token" name="token" type="password" required autoFocus autoComplete="off" />
      <p>
        <code>merlin up</code> prints this page&apos;s address with the token in it; it is also in{' '}
        <code>addresses.json</code> of the data folder. The <a href="/">console</a> shares the session.
      </p>
      {problem && <p role="alert">{problem}</p>}
      <button type="submit" disabled={busy}>
        {busy ? 'Opening …' : 'Open'}
      </button>
    </form>
  );
}

// 'asking', 'in', or 'out'.
function useSession() {
  const [state, setState] = useState({ at: 'asking' });
  useEffect(() => {
    async function begin() {
      const token = takeToken();
      const known = token === null ? await hasSession() : ((await signIn(token)) ?? true);
      setState(known === true ? { at: 'in' } : { at: 'out', problem: known || undefined });
    }
    void begin();
  }, []);
  const leave = async () => setState({ at: 'out', problem: await signOut() });
  return { ...state, enter: () => setState({ at: 'in' }), leave };
}

function Page() {
  const session = useSession();
  const scheme = useScheme();
  useEffect(() => {
    document.documentElement.style.colorScheme = scheme;
  }, [scheme]);
  if (session.at === 'asking') return <p role="status">Loading GraphiQL …</p>;
  if (session.at === 'out') return <SignIn onSignedIn={session.enter} found={session.problem} />;
  return (
    <GraphiQL fetcher={fetcher} defaultTabs={examples} forcedTheme={scheme} shouldPersistHeaders={false}>
      <GraphiQL.Logo>
        <nav className="way" aria-label="Merlin">
          <a href="/">Console</a>
          <button type="button" onClick={() => void session.leave()}>
            Sign out
          </button>
        </nav>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

createRoot(document.getElementById('root')).render(<Page />);
