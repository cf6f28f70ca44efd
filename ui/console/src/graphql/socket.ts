// The WebSocket for subscriptions: one for the page, opened with the first, kept alive, opened again for ever.
import { createClient } from 'graphql-ws';

const PING_MS = 5_000;
const PONG_MS = 5_000;
const FORBIDDEN = 4403;

export type Connection = 'connecting' | 'connected' | 'lost';

type Heard = (connection: Connection) => void;
const heard = new Set<Heard>();
let connection: Connection = 'connecting';
let refused: () => void = () => undefined;
// While the server does not know who we are it is not called; what was subscribed to goes on once it does.
let admitted = Promise.resolve();
let open = () => {};
let awaited: ReturnType<typeof setTimeout> | undefined;

function become(next: Connection): void {
  if (next === connection) return;
  connection = next;
  for (const tell of [...heard]) tell(next);
}

export const socket = createClient({
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  keepAlive: PING_MS,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  // Soon at first (a restarted server is back within a second), then every five seconds, never in step with others.
  retryWait: async (retries) => {
    await admitted;
    const wait = Math.min(5_000, 200 * 2 ** Math.min(retries, 6)) * (0.75 + Math.random() / 2);
    await new Promise((go) => setTimeout(go, wait));
  },
  on: {
    connected: () => become('connected'),
    closed: (event) => {
      clearTimeout(awaited);
      if ((event as { code?: number }).code !== FORBIDDEN) return become('lost');
      become('connecting');
      admitted = new Promise((go) => (open = go));
      refused();
    },
    // A dead line says nothing: whoever does not answer a ping is cut off, and called again.
    ping: (received) => {
      if (!received) awaited = setTimeout(() => socket.terminate(), PONG_MS);
    },
    pong: (received) => {
      if (received) clearTimeout(awaited);
    },
  },
});

export const connectionNow = (): Connection => connection;

export function onConnection(tell: Heard): () => void {
  heard.add(tell);
  return () => heard.delete(tell);
}

/** There is a session (again). */
export function admit(): void {
  open();
}

/** Called when the server no longer knows who we are. */
export function onRefused(tell: () => void): void {
  refused = tell;
}
