// One client for all pages. Answers are cached by document; what changes on the server is fetched again (feed.ts).
import { cacheExchange, Client, fetchExchange, mapExchange, subscriptionExchange } from 'urql';
import { socket } from './socket';

// The API gives up a query or a mutation after 30 s (MERLIN_REQUEST_TIMEOUT_SECONDS, unless somebody raised it).
const LONGEST_MS = 60_000;

const inTime: typeof fetch = (input, init) => {
  const deadline = AbortSignal.timeout(LONGEST_MS);
  return fetch(input, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, deadline]) : deadline });
};

export function makeClient(onSignedOut: () => void): Client {
  return new Client({
    url: '/graphql',
    preferGetMethod: false,
    requestPolicy: 'cache-and-network',
    fetch: inTime,
    fetchOptions: { credentials: 'same-origin' },
    exchanges: [
      mapExchange({
        onError(error) {
          if ((error.response as Response | undefined)?.status === 401) onSignedOut();
        },
      }),
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe({ query: request.query ?? '', variables: request.variables }, sink),
          }),
        }),
      }),
    ],
  });
}
